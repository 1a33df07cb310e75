package modelregistry

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// An artifact is a row of the tree: a file, or a directory that has some. Its Path is the whole one.
type artifact struct {
	File
	dir     bool
	updated time.Time
}

// artifactDoc is the document of an artifact; the path is in the key.
type artifactDoc struct {
	Dir     bool      `json:"dir,omitempty"`
	Digest  string    `json:"digest,omitempty"`
	Size    int64     `json:"size,omitempty"`
	Updated time.Time `json:"updated"`
}

const (
	artifactPage  = 500
	artifactSlots = 16
)

// artifactLocks are the locks for changes at or below these paths, and for reads that nothing may change meanwhile.
//
// Which lock is decided by the first two elements of a path, so that the runs of one experiment do not wait for each
// other. An entry of the root takes all locks below it. The names are few, and some paths share one: else a change of
// many paths would take more locks than a database has room for.
func artifactLocks(paths ...string) []string {
	locks := map[string]bool{}
	for _, path := range paths {
		top, rest, deep := strings.Cut(path, "/")
		second, _, _ := strings.Cut(rest, "/")
		for i := range artifactSlots {
			if !deep || i == artifactSlot(second) {
				locks["artifacts/"+strconv.Itoa(artifactSlot(top))+"/"+strconv.Itoa(i)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(locks))
}

func artifactSlot(name string) int {
	h := fnv.New32a()
	h.Write([]byte(name))
	return int(h.Sum32() % artifactSlots)
}

// checkDir is checkPath for a directory, which may be the root.
func checkDir(dir string) error {
	if dir == "" {
		return nil
	}
	return checkPath(dir)
}

func joinPath(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// splitPath parts a path into its directory, "" for the root, and its last element.
func splitPath(path string) (dir, name string) {
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 0)], path[i+1:]
}

func artifactKey(path string) backend.Key {
	dir, name := splitPath(path)
	return backend.Key{backend.StringValue(dir), backend.StringValue(name)}
}

func (a *artifact) row() (backend.Row, error) {
	doc, err := json.Marshal(artifactDoc{Dir: a.dir, Digest: a.Digest, Size: a.Size, Updated: a.updated})
	if err != nil {
		return backend.Row{}, fmt.Errorf("encode artifact: %w", err)
	}
	return backend.Row{Key: artifactKey(a.Path), Fields: map[string]any{"digest": backend.StringValue(a.Digest)}, Doc: doc}, nil
}

func decodeArtifact(row backend.Row) (artifact, error) {
	var doc artifactDoc
	path := joinPath(row.Key[0].Str(), row.Key[1].Str())
	if err := json.Unmarshal(row.Doc, &doc); err != nil {
		return artifact{}, fmt.Errorf("row of artifact %s: %w: %w", path, ErrCorrupt, err)
	}
	return artifact{File: File{Path: path, Size: doc.Size, Digest: doc.Digest}, dir: doc.Dir, updated: doc.Updated}, nil
}

// findArtifacts returns those of the wanted paths that are there, some hundred in a query.
func findArtifacts(find func(backend.Query) ([]backend.Row, error), wanted map[string]artifact) ([]artifact, error) {
	keys := make([]backend.Key, 0, len(wanted))
	for path := range wanted {
		keys = append(keys, artifactKey(path))
	}
	slices.SortFunc(keys, backend.Key.Compare)
	var there []artifact
	for len(keys) > 0 {
		q, n := artifactsIn(keys)
		keys = keys[n:]
		rows, err := find(q)
		if err != nil {
			return nil, fmt.Errorf("read artifacts: %w", err)
		}
		for _, row := range rows {
			a, err := decodeArtifact(row)
			if err != nil {
				return nil, err
			}
			if _, ok := wanted[a.Path]; ok {
				there = append(there, a)
			}
		}
	}
	return there, nil
}

// artifactsIn selects the first n of the keys. A query can only ask for any of some directories and any of some names,
// which is more, so directories are few where names are many.
func artifactsIn(keys []backend.Key) (q backend.Query, n int) {
	const product = 2048
	dirs, names := map[string]bool{}, map[string]bool{}
	for _, key := range keys {
		d, m := len(dirs), len(names)
		if !dirs[key[0].Str()] {
			d++
		}
		if !names[key[1].Str()] {
			m++
		}
		if d*m > product || m > artifactPage || d > artifactPage {
			break
		}
		dirs[key[0].Str()], names[key[1].Str()] = true, true
		n++
	}
	return backend.Query{Table: tableArtifacts, Where: []backend.Cond{
		{Field: "dir", Op: backend.In, Values: textValues(dirs)},
		{Field: "name", Op: backend.In, Values: textValues(names)},
	}}, n
}

func textValues(set map[string]bool) []backend.Value {
	var values []backend.Value
	for _, text := range slices.Sorted(maps.Keys(set)) {
		values = append(values, backend.StringValue(text))
	}
	return values
}

// eachBelow calls fn with the rows below a directory, a page at a time; those of one directory come together.
func eachBelow(find func(backend.Query) ([]backend.Row, error), dir string, fn func([]backend.Row) error) error {
	ranges := [][]backend.Cond{
		// Two, for between dir and dir/ there are others, such as dir-1.
		{{Field: "dir", Value: backend.StringValue(dir)}},
		{{Field: "dir", Op: backend.Prefix, Value: backend.StringValue(dir + "/")}},
	}
	if dir == "" {
		ranges = [][]backend.Cond{nil}
	}
	for _, where := range ranges {
		q := backend.Query{Table: tableArtifacts, Where: where, Limit: artifactPage}
		for {
			rows, err := find(q)
			if err != nil {
				return fmt.Errorf("read artifacts: %w", err)
			}
			if len(rows) > 0 {
				if err := fn(rows); err != nil {
					return err
				}
			}
			if len(rows) < artifactPage {
				break
			}
			q.After = rows[len(rows)-1].Key
		}
	}
	return nil
}

// artifactsBelow is all that is below a directory, with paths relative to it.
func artifactsBelow(find func(backend.Query) ([]backend.Row, error), dir string) ([]artifact, error) {
	var all []artifact
	err := eachArtifactBelow(find, dir, func(a artifact) error {
		all = append(all, a)
		return nil
	})
	return all, err
}

// eachArtifactBelow calls fn with all that is below a directory, with paths relative to it.
func eachArtifactBelow(find func(backend.Query) ([]backend.Row, error), dir string, fn func(artifact) error) error {
	return eachBelow(find, dir, func(rows []backend.Row) error {
		for _, row := range rows {
			a, err := decodeArtifact(row)
			if err != nil {
				return err
			}
			a.Path = strings.TrimPrefix(a.Path[len(dir):], "/")
			if err := fn(a); err != nil {
				return err
			}
		}
		return nil
	})
}

// filesAt are the files below a directory, with paths relative to it, in byte order of these; or the one file that the
// path names, under its last element. None if nothing is there. ErrInvalid: more than a version can have.
func filesAt(find func(backend.Query) ([]backend.Row, error), path string) ([]File, error) {
	there, err := findArtifacts(find, map[string]artifact{path: {}})
	if err != nil || len(there) == 0 {
		return nil, err
	}
	if f := there[0].File; !there[0].dir {
		_, f.Path = splitPath(f.Path)
		return []File{f}, nil
	}
	var files []File
	var limit listLimit
	err = eachArtifactBelow(find, path, func(a artifact) error {
		if a.dir {
			return nil
		}
		files = append(files, a.File)
		return limit.add(a.Path)
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return files, nil
}
