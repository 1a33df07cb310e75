package modelregistry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// leftBy is what the documents of a run and of a logged model say of where their files are.
type leftBy struct {
	Artifacts string    `json:"artifacts"`
	Started   time.Time `json:"started"`
	Created   time.Time `json:"created"`
	Deleted   bool      `json:"deleted"`
}

func decodeLeftBy(row backend.Row) (*leftBy, error) {
	l := new(leftBy)
	if err := json.Unmarshal(row.Doc, l); err != nil {
		return nil, fmt.Errorf("row of %v: %w: %w", row.Key, ErrCorrupt, err)
	}
	return l, nil
}

// resolveRun makes a version, which is not registered, of what a run left under the path of u.
func (r *registry) resolveRun(ctx context.Context, u URI) (*Version, error) {
	if err := checkText("run ID", u.RunID, maxRunID); err != nil {
		return nil, err
	}
	v := &Version{Stage: None, RunID: u.RunID, Source: u.String()}
	err := r.backend.View(ctx, func(tx backend.Reader) error {
		row, err := tx.Get(tableRuns, backend.StringValue(u.RunID))
		if errors.Is(err, backend.ErrNotFound) {
			return fmt.Errorf("run %q: %w", u.RunID, ErrNotFound)
		}
		if err != nil {
			return fmt.Errorf("read run: %w", err)
		}
		run, err := decodeLeftBy(row)
		if err != nil {
			return err
		}
		if v.files, err = run.files(tx, u.Path); err != nil {
			return err
		}
		if len(v.files) == 0 && u.Path != "" {
			if v.files, err = filesOfLoggedModel(tx, u); err != nil {
				return err
			}
		}
		v.Created, v.Updated, v.StageSince = run.Started, run.Started, run.Started
		if len(v.files) > 0 {
			return nil
		}
		return fmt.Errorf("files of run %q at %q: %w; its artifacts are at %q", u.RunID, u.Path, ErrNotFound, run.Artifacts)
	})
	if err != nil {
		return nil, err
	}
	v.setFiles(v.files)
	return v, nil
}

// files are those at a path. None if they are kept elsewhere.
func (l *leftBy) files(tx backend.Reader, path string) ([]File, error) {
	at := l.Artifacts
	if path != "" {
		at += "/" + path
	}
	if checkPath(at) != nil {
		return nil, nil // a URL
	}
	return filesAt(tx.Find, at)
}

// filesOfLoggedModel are those of the newest model that the run logged under the first element of the path, at the rest.
func filesOfLoggedModel(tx backend.Reader, u URI) ([]File, error) {
	name, rest, _ := strings.Cut(u.Path, "/")
	q := backend.Query{Table: tableLoggedModels, Order: "created", Desc: true, Limit: artifactPage, Where: []backend.Cond{
		{Field: "run", Value: backend.StringValue(u.RunID)},
		{Field: "name", Value: backend.StringValue(name)},
	}}
	rows, err := tx.Find(q)
	if err != nil {
		return nil, fmt.Errorf("read logged models: %w", err)
	}
	for _, row := range rows {
		l, err := decodeLeftBy(row)
		if err != nil {
			return nil, err
		}
		if !l.Deleted {
			return l.files(tx, rest)
		}
	}
	return nil, nil
}
