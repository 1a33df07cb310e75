package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	gocloudblob "gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/modelregistry-go/modelregistry"
)

// The mark of a registry is an object beside the content, blobs/registries/ID. Its text is for people.
func markText(id string) []byte {
	return []byte("Files of the model registry " + id + " are kept below blobs/sha256/. A registry sweeps only where no other has left its mark.\n")
}

func checkMark(id string) error {
	plain := func(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' }
	if id == "" || len(id) > 64 || strings.ContainsFunc(id, func(r rune) bool { return !plain(r) }) {
		return fmt.Errorf("%w: registry %.80q: not lower-case letters and digits, at most 64", modelregistry.ErrInvalid, id)
	}
	return nil
}

// Marks are the IDs of the registries that keep files here, in order.
func (s *Store) Marks(ctx context.Context) ([]string, error) {
	err := s.usable(ctx)
	var ids []string
	if err == nil {
		ids, err = s.in.marks(ctx)
	}
	if err != nil {
		return nil, s.explain(ctx, "marks", "", err)
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return checkMark(id) != nil })
	slices.Sort(ids)
	return ids, nil
}

// Mark remembers that a registry keeps files here; see [modelregistry.MarkedBlobs].
func (s *Store) Mark(ctx context.Context, registry string) error {
	return s.changeMark(ctx, "mark", registry, s.in.mark)
}

// Unmark forgets it.
func (s *Store) Unmark(ctx context.Context, registry string) error {
	return s.changeMark(ctx, "unmark", registry, s.in.unmark)
}

func (s *Store) changeMark(ctx context.Context, op, id string, change func(context.Context, string) error) error {
	err := checkMark(id)
	if err == nil {
		err = s.usable(ctx)
	}
	if err == nil {
		err = change(ctx, id)
	}
	if err != nil {
		return s.explain(ctx, op, id, err)
	}
	return nil
}

func (d *dir) registries() string { return filepath.Join(filepath.Dir(d.sums), "registries") }

func (d *dir) marks(context.Context) ([]string, error) {
	if err := d.gone(); err != nil {
		return nil, err
	}
	list, err := entries(d.registries())
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range list {
		if e.Type().IsRegular() {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

func (d *dir) mark(ctx context.Context, id string) error {
	known, err := d.marks(ctx)
	if err != nil || slices.Contains(known, id) {
		return err
	}
	t, err := d.newTemp()
	if err != nil {
		return err
	}
	defer t.discard()
	if _, err := t.Write(markText(id)); err != nil {
		return err
	}
	if err := t.sync(); err != nil {
		return err
	}
	if err := d.makeFolder(d.registries()); err != nil {
		return err
	}
	if err := t.rename(filepath.Join(d.registries(), id)); err != nil {
		d.forgetFolders()
		return d.lost(err)
	}
	return d.disk.syncDir(d.registries())
}

func (d *dir) unmark(_ context.Context, id string) error {
	err := d.disk.remove(filepath.Join(d.registries(), id))
	if errors.Is(err, fs.ErrNotExist) {
		return d.gone()
	}
	return err
}

func (b *bucket) registries() string { return strings.TrimSuffix(b.prefix, "sha256/") + "registries/" }

func (b *bucket) marks(ctx context.Context) ([]string, error) {
	it := b.b.List(&gocloudblob.ListOptions{Prefix: b.registries()})
	var ids []string
	for {
		obj, err := it.Next(ctx)
		if err == io.EOF {
			return ids, nil
		}
		if err != nil {
			return nil, b.missing(ctx, err)
		}
		ids = append(ids, strings.TrimPrefix(obj.Key, b.registries()))
	}
}

func (b *bucket) mark(ctx context.Context, id string) error {
	_, err := b.b.Attributes(ctx, b.registries()+id)
	if gcerrors.Code(err) != gcerrors.NotFound {
		return err
	}
	text := markText(id)
	opts := &gocloudblob.WriterOptions{ContentType: "text/plain; charset=utf-8", BufferSize: len(text), MaxConcurrency: 1}
	return b.refused(ctx, b.b.Upload(ctx, b.registries()+id, bytes.NewReader(text), opts))
}

func (b *bucket) unmark(ctx context.Context, id string) error {
	err := b.b.Delete(ctx, b.registries()+id)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return b.reachable(ctx)
	}
	return err
}
