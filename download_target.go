package modelregistry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// checkTarget refuses directories that no download may take the place of, whatever they hold: the root of the file
// system, the user's home, the working directory, and all that these are in.
func checkTarget(dir string) error {
	if filepath.Dir(dir) == dir {
		return fmt.Errorf("%s: %w: the root of the file system; give a directory of its own to the version", dir, ErrInvalid)
	}
	type place struct{ what, path string }
	var places []place
	if cwd, err := os.Getwd(); err == nil {
		places = append(places, place{"the working directory", cwd})
	}
	if home, err := os.UserHomeDir(); err == nil && filepath.IsAbs(home) {
		places = append(places, place{"the home directory", home})
	}
	for _, p := range places {
		if real, err := filepath.EvalSymlinks(p.path); err == nil {
			p.path = real
		}
		if within(p.path, dir) {
			return fmt.Errorf("%s: %w: it is or holds %s; give a directory of its own to the version", dir, ErrInvalid, p.what)
		}
	}
	return nil
}

// within says whether path is dir or below it; both are absolute and without links.
func within(path, dir string) bool {
	for info, err := os.Lstat(dir); err == nil; path = filepath.Dir(path) {
		if at, err := os.Lstat(path); err == nil && os.SameFile(info, at) { // also where the case of letters does not count
			return true
		}
		if path == filepath.Dir(path) {
			return false
		}
	}
	return false
}

// A download is remembered in a small hidden file beside its directory, so that Replace takes away nothing else: some of
// its files, by size and time of change. Not by what the system calls the directory: that name may go to the next one.
type downloadRecord struct {
	Files []recordedFile `json:"files"`
}

type recordedFile struct {
	Path    string    `json:"path"`
	Size    int64     `json:"size"`
	Changed time.Time `json:"changed"`
}

// recordedFiles is how many files are remembered of a download.
const recordedFiles = 16

func (d *download) recordPath() string {
	return filepath.Join(filepath.Dir(d.dir), "."+filepath.Base(d.dir)+".download")
}

func (d *download) readRecord() (r downloadRecord, err error) {
	path := d.recordPath()
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && (!info.Mode().IsRegular() || info.Size() > 1<<20) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	if json.Unmarshal(text, &r) != nil {
		return downloadRecord{}, nil // somebody else's file: it says nothing of downloads
	}
	return r, nil
}

// at are the remembered files that are in a directory as they were left.
func (r downloadRecord) at(dir string) ([]recordedFile, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var there []recordedFile
	for _, f := range r.Files {
		name, err := filepath.Localize(f.Path)
		if err != nil {
			continue
		}
		info, err := root.Lstat(name)
		if err == nil && info.Mode().IsRegular() && info.Size() == f.Size && info.ModTime().Equal(f.Changed) {
			there = append(there, f)
		}
	}
	return there, nil
}

// recorded says whether what is at the directory's place is a download.
func (d *download) recorded() (bool, error) {
	r, err := d.readRecord()
	if err != nil {
		return false, err
	}
	there, err := r.at(d.dir)
	return len(there) > 0, err
}

// record remembers the download whose files are at a path, and which is or will be called d.dir. What is there until then
// is not forgotten, for the new one may never come.
func (d *download) record(path string) error {
	r, err := d.readRecord()
	if err != nil {
		return err
	}
	if r.Files, err = r.at(d.dir); err != nil {
		return err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	defer root.Close()
	known := len(r.Files)
	for i, f := range d.files {
		if i == recordedFiles {
			break
		}
		info, err := root.Lstat(filepath.FromSlash(f.Path))
		if err != nil {
			return err
		}
		now := recordedFile{f.Path, info.Size(), info.ModTime()}
		if !slices.ContainsFunc(r.Files[:known], func(old recordedFile) bool {
			return old.Path == now.Path && old.Size == now.Size && old.Changed.Equal(now.Changed)
		}) {
			r.Files = append(r.Files, now)
		}
	}
	if len(r.Files) == known { // it is remembered already, or has no files to know it by
		return nil
	}
	return r.write(d.recordPath())
}

func (r downloadRecord) write(path string) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	next := path + "." + newID()
	f, err := os.OpenFile(next, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("remember the download: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("remember the download: %w", err), os.Remove(next))
	}
	return nil
}
