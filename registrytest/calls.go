package registrytest

import (
	"context"
	"errors"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

// A call is one method, called with a model's name and a version's number.
type call struct {
	name     string
	changes  bool
	numbered bool // it takes the number
	do       func(ctx context.Context, r modelregistry.Registry, model string, number int) error
}

var calls = []call{
	{"CreateModel", true, false, func(ctx context.Context, r modelregistry.Registry, model string, _ int) error {
		_, err := r.CreateModel(ctx, model, modelregistry.ModelSpec{})
		return err
	}},
	{"Model", false, false, func(ctx context.Context, r modelregistry.Registry, model string, _ int) error {
		_, err := r.Model(ctx, model)
		return err
	}},
	{"UpdateModel", true, false, func(ctx context.Context, r modelregistry.Registry, model string, _ int) error {
		_, err := r.UpdateModel(ctx, model, modelregistry.ModelPatch{Description: ptr("changed")})
		return err
	}},
	{"RenameModel from", true, false, func(ctx context.Context, r modelregistry.Registry, model string, _ int) error {
		_, err := r.RenameModel(ctx, model, "another", nil)
		return err
	}},
	{"RenameModel to", true, false, func(ctx context.Context, r modelregistry.Registry, model string, _ int) error {
		_, err := r.RenameModel(ctx, "fraud", model, nil)
		return err
	}},
	{"DeleteModel", true, false, func(ctx context.Context, r modelregistry.Registry, model string, _ int) error {
		return r.DeleteModel(ctx, model, &modelregistry.DeleteOptions{Force: true})
	}},
	{"Register", true, false, func(ctx context.Context, r modelregistry.Registry, model string, _ int) error {
		_, err := r.Register(ctx, model, modelregistry.VersionSpec{Files: tree(map[string]string{"a": "new"})})
		return err
	}},
	{"Version", false, true, func(ctx context.Context, r modelregistry.Registry, model string, number int) error {
		_, err := r.Version(ctx, model, number)
		return err
	}},
	{"UpdateVersion", true, true, func(ctx context.Context, r modelregistry.Registry, model string, number int) error {
		_, err := r.UpdateVersion(ctx, model, number, modelregistry.VersionPatch{Description: ptr("changed")})
		return err
	}},
	{"DeleteVersion", true, true, func(ctx context.Context, r modelregistry.Registry, model string, number int) error {
		return r.DeleteVersion(ctx, model, number, &modelregistry.DeleteOptions{Force: true})
	}},
	{"CopyVersion", true, false, func(ctx context.Context, r modelregistry.Registry, model string, _ int) error {
		_, err := r.CopyVersion(ctx, "models:/fraud/1", model, nil)
		return err
	}},
	{"Promote", true, true, func(ctx context.Context, r modelregistry.Registry, model string, number int) error {
		_, err := r.Promote(ctx, model, number, staging, nil)
		return err
	}},
	{"Transition", true, true, func(ctx context.Context, r modelregistry.Registry, model string, number int) error {
		_, err := r.Transition(ctx, model, number, archived, nil)
		return err
	}},
	{"Rollback", true, false, func(ctx context.Context, r modelregistry.Registry, model string, _ int) error {
		_, err := r.Rollback(ctx, model, production, nil)
		return err
	}},
	{"SetAlias", true, true, func(ctx context.Context, r modelregistry.Registry, model string, number int) error {
		_, err := r.SetAlias(ctx, model, "other", number, nil)
		return err
	}},
	{"DeleteAlias", true, false, func(ctx context.Context, r modelregistry.Registry, model string, _ int) error {
		_, err := r.DeleteAlias(ctx, model, "champion", nil)
		return err
	}},
	{"Verify", false, false, func(ctx context.Context, r modelregistry.Registry, model string, _ int) error {
		_, err := r.Verify(ctx, model)
		return err
	}},
	{"Events", false, false, func(ctx context.Context, r modelregistry.Registry, model string, _ int) error {
		_, err := collect(r.Events(ctx, modelregistry.EventQuery{Model: model}))
		return err
	}},
	{"Link", true, true, func(ctx context.Context, r modelregistry.Registry, model string, number int) error {
		return r.Link(ctx, nil, edge(version(model, number), "from", dataset("d")))
	}},
	{"Lineage", false, true, func(ctx context.Context, r modelregistry.Registry, model string, number int) error {
		_, err := r.Lineage(ctx, version(model, number), nil)
		return err
	}},
}

var contextPromises = []promise{
	{"a call whose context has ended answers that, and changes nothing", contextEnded},
	{"the deadline of a context is told apart from its end", contextDeadline},
}

func contextEnded(s *trial) {
	v := fraud(s)
	s.promote("fraud", 2, production) // so that there is something to roll back
	before := s.state()
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	for _, c := range calls {
		model := "fraud"
		if c.name == "CreateModel" || c.name == "RenameModel to" {
			model = "new"
		}
		if err := c.do(ctx, s.r, model, 1); !errors.Is(err, context.Canceled) && !s.excused(err) {
			s.Errorf("%s: %v; want context.Canceled", c.name, err)
		}
	}
	for name, call := range map[string]func() error{
		"Resolve":        func() error { _, err := s.r.Resolve(ctx, "models:/fraud/1"); return err },
		"At":             func() error { _, err := s.r.At(epoch.AddDate(1, 0, 0)).Resolve(ctx, "models:/fraud/1"); return err },
		"Manifest":       func() error { _, err := s.r.Manifest(ctx, v); return err },
		"SearchModels":   func() error { _, err := s.r.SearchModels(ctx, modelregistry.Query{}); return err },
		"SearchVersions": func() error { _, err := s.r.SearchVersions(ctx, modelregistry.Query{}); return err },
		"Models":         func() error { _, err := collect(s.r.Models(ctx, modelregistry.Query{})); return err },
		"Versions":       func() error { _, err := collect(s.r.Versions(ctx, modelregistry.Query{})); return err },
		"Sweep":          func() error { _, err := s.r.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1}); return err },
		"Download":       func() error { return modelregistry.Download(ctx, s.r, v, s.TempDir()+"/x", nil) },
	} {
		if err := call(); !errors.Is(err, context.Canceled) && !s.excused(err) {
			s.Errorf("%s: %v; want context.Canceled", name, err)
		}
	}
	s.told(func() {
		events, err := collect(s.r.Follow(ctx, ""))
		s.ok(err)
		equal(s, "events that were followed", len(events), 0)
	})
	s.unchanged(before)
}

func contextDeadline(s *trial) {
	s.register("fraud", 1)
	before := s.state()
	ctx, cancel := context.WithDeadline(s.ctx, epoch.AddDate(-100, 0, 0))
	defer cancel()
	_, err := s.r.Promote(ctx, "fraud", 1, production, nil)
	s.fails(err, context.DeadlineExceeded, "")
	_, err = s.r.Resolve(ctx, "models:/fraud/1")
	s.fails(err, context.DeadlineExceeded, "")
	s.unchanged(before)
}

// leaks says whether a message tells of what is behind the registry.
func leaks(err error) string {
	for _, word := range []string{"SELECT ", "INSERT ", "UPDATE ", "DELETE FROM", "sqlite", "SQLSTATE", "pq:", "constraint", "goroutine"} {
		if strings.Contains(err.Error(), word) {
			return word
		}
	}
	return ""
}
