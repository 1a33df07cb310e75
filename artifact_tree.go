package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/modelregistry-go/modelregistry/backend"
)

func (r *registry) OpenArtifact(ctx context.Context, path string) (fs.File, error) {
	f, err := r.openArtifact(ctx, path)
	if err != nil {
		return nil, wrap("OpenArtifact", path, err)
	}
	return f, nil
}

func (r *registry) openArtifact(ctx context.Context, path string) (fs.File, error) {
	if path == "" {
		return nil, fmt.Errorf("%w: the root of all artifacts is a directory", ErrInvalid)
	}
	if err := checkPath(path); err != nil {
		return nil, err
	}
	key := artifactKey(path)
	row, err := r.findOne(ctx, backend.Query{Table: tableArtifacts, Where: []backend.Cond{
		{Field: "dir", Value: key[0]}, {Field: "name", Value: key[1]},
	}})
	if errors.Is(err, backend.ErrNotFound) {
		return nil, fmt.Errorf("artifact %s: %w", path, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("read artifact: %w", err)
	}
	a, err := decodeArtifact(row)
	if err != nil {
		return nil, err
	}
	if a.dir {
		return nil, fmt.Errorf("artifact %s: %w: it is a directory", path, ErrInvalid)
	}
	return &openFile{node: a.node(), ctx: ctx, r: r}, nil
}

func (a *artifact) node() *node { return &node{file: a.File, dir: a.dir, time: a.updated} }

func (r *registry) Artifacts(ctx context.Context, dir string) fs.FS {
	return &fileFS{ctx: ctx, r: r, load: func() (map[string]*node, error) {
		if err := checkDir(dir); err != nil {
			return nil, err
		}
		var all []artifact
		err := r.backend.View(ctx, func(tx backend.Reader) (err error) {
			all, err = artifactsBelow(tx.Find, dir)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("artifacts below %q: %w", dir, err)
		}
		root := &node{file: File{Path: "."}, dir: true}
		nodes := make([]*node, len(all))
		for i, a := range all {
			nodes[i] = a.node()
			if root.time.Before(a.updated) {
				root.time = a.updated
			}
		}
		return fileTree(root, nodes), nil
	}}
}

// artifactOrder is that of pages of a directory.
var artifactOrder = []orderKey{{attr: &attribute{kind: kindText, field: "name", names: []string{"name"}}}}

func (r *registry) ListArtifacts(ctx context.Context, dir string, q Query) (ArtifactPage, error) {
	page, err := r.listArtifacts(ctx, dir, q)
	return page, wrap("ListArtifacts", dir, err)
}

func (r *registry) listArtifacts(ctx context.Context, dir string, q Query) (page ArtifactPage, err error) {
	if err := checkDir(dir); err != nil {
		return page, err
	}
	if q.Filter != "" || len(q.OrderBy) > 0 {
		return page, fmt.Errorf("artifacts: %w: they are not filtered, and always in order of their names", ErrInvalid)
	}
	size := q.PageSize
	switch {
	case size == 0:
		size = defaultPageSize
	case size < 0 || size > maxPageSize:
		return page, fmt.Errorf("page size %d: %w: it is from 1 to %d, or 0 for %d", size, ErrInvalid, maxPageSize, defaultPageSize)
	}
	key := tokenKey(&searchSubject{what: "artifacts/" + dir}, nil, artifactOrder)
	after, err := decodeToken(q.PageToken, key, artifactOrder)
	if err != nil {
		return page, err
	}
	at := backend.StringValue(dir)
	find := backend.Query{Table: tableArtifacts, Limit: size + 1, Where: []backend.Cond{{Field: "dir", Value: at}}}
	if after != nil {
		find.After = []backend.Value{at, after[0].value}
	}
	rows, err := r.backend.Find(ctx, find)
	if err != nil {
		return page, fmt.Errorf("read artifacts: %w", err)
	}
	for _, row := range rows[:min(size, len(rows))] {
		a, err := decodeArtifact(row)
		if err != nil {
			return ArtifactPage{}, err
		}
		page.Artifacts = append(page.Artifacts, Artifact{
			Name: row.Key[1].Str(), IsDir: a.dir, Size: a.Size, Digest: a.Digest, Updated: a.updated,
		})
	}
	if len(rows) > size {
		page.Next = encodeToken(key, []place{{value: rows[size-1].Key[1]}})
	}
	return page, nil
}
