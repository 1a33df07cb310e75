package mlflow

import (
	"context"
	"errors"
	"fmt"

	"github.com/modelregistry-go/modelregistry"
)

// ImportOptions configure Import. Nil means all defaults: everything.
type ImportOptions struct {
	Models []string // names of the models to take; nil is all
	// ModelsOnly leaves out experiments, runs and logged models. Versions keep the IDs of their runs.
	ModelsOnly bool
	// WithoutFiles takes versions whose files cannot be read as versions without files. Else such a version, and those
	// after it of its model, are left, so that a later import can take them.
	WithoutFiles bool
	Reason       string // kept in the events; "" is "import"
	// Progress, if not nil, is called as things are done, one call at a time.
	Progress func(ImportProgress)
}

// ImportProgress is how far an import has come.
type ImportProgress struct {
	Doing string // such as "run 0123…" or "version IrisClassifier/3"
	Done  int    // runs and versions that were looked at so far
	Total int    // in all
}

// An ImportReport says what an import has done.
type ImportReport struct {
	Experiments, Runs, LoggedModels, Models, Versions ImportCount
	// Left is what could not be taken, in the order in which it was met.
	Left []ImportLeft
}

// An ImportCount counts things of a kind.
type ImportCount struct {
	Taken int // by this import
	There int // by an earlier one, or by others
}

// ImportLeft is something that could not be taken.
type ImportLeft struct {
	What string // such as "version IrisClassifier/3" or "artifacts of run 0123…"
	Err  error
}

// The tags that say what an import has taken.
const (
	tagImportedFrom = ownTags + "import.source" // of a logged model or version: its ID, or name and number, there
	tagImported     = ownTags + "import.done"   // of a run: "true"; of a model: the highest number of its versions
)

// Import copies an MLflow registry: experiments, runs with params, tags, the whole history of metrics, inputs, outputs
// and artifacts, logged models, and models with versions, stages, aliases, tags, descriptions and files. from is a Client.
//
// Runs keep their IDs and versions their numbers: for a number that is missing there, a version is registered and deleted
// here, which the history tells. Experiments and logged models get IDs of to's own. Deleted experiments and runs are taken
// and deleted.
//
// It can be interrupted and called again: it goes on where it was, by tags that begin with modelregistry.import and that
// Handler lets no client set, so that to cannot be a Client of one; it takes what is new, and leaves alone what was changed here since. A run that has not ended there is looked at again.
//
// What from's or to's rules do not let be taken is in the report, as is what a source outside from's server fails to give,
// and the rest is taken; an error is a fault, or a context's.
// The report says what was done until then.
func Import(ctx context.Context, from, to modelregistry.Registry, opts *ImportOptions) (*ImportReport, error) {
	if opts == nil {
		opts = &ImportOptions{}
	}
	im := &importer{from: from, to: to, opts: *opts, report: &ImportReport{}, logged: map[string]*modelregistry.LoggedModel{}}
	if im.opts.Reason == "" {
		im.opts.Reason = "import"
	}
	if err := im.run(ctx); err != nil {
		return im.report, fmt.Errorf("import: %w", err)
	}
	return im.report, nil
}

type importer struct {
	from, to modelregistry.Registry
	opts     ImportOptions
	report   *ImportReport
	progress ImportProgress

	experiments []*importedExperiment
	models      []*modelregistry.Model
	logged      map[string]*modelregistry.LoggedModel // here, by their ID there
}

func (im *importer) run(ctx context.Context) error {
	if err := im.plan(ctx); err != nil {
		return err
	}
	for _, e := range im.experiments {
		if err := im.experiment(ctx, e); err != nil {
			return err
		}
	}
	for _, m := range im.models {
		if err := im.model(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// plan lists what there is to take. What is new after that is for the next import.
func (im *importer) plan(ctx context.Context) error {
	if !im.opts.ModelsOnly {
		if err := im.planRuns(ctx); err != nil {
			return err
		}
	}
	if im.opts.Models == nil {
		for m, err := range im.from.Models(ctx, modelregistry.Query{PageSize: 1000}) {
			if err != nil {
				return err
			}
			im.models = append(im.models, m)
		}
	}
	for _, name := range im.opts.Models {
		m, err := im.from.Model(ctx, name)
		if err != nil {
			if err := im.leave("model "+name, err); err != nil {
				return err
			}
			continue
		}
		im.models = append(im.models, m)
	}
	for _, m := range im.models {
		im.progress.Total += m.Last
	}
	return nil
}

// leave puts what could not be taken into the report, unless err is a fault, which ends the import. A source that fails
// is none, or one bucket that is gone would keep back all else.
func (im *importer) leave(what string, err error) error {
	outside := (*outsideError)(nil)
	if errors.As(err, &outside) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		im.report.Left = append(im.report.Left, ImportLeft{what, err})
		return nil
	}
	for _, rule := range []error{modelregistry.ErrInvalid, modelregistry.ErrNotFound, modelregistry.ErrExists, modelregistry.ErrConflict,
		modelregistry.ErrCorrupt, errors.ErrUnsupported} {
		if errors.Is(err, rule) {
			im.report.Left = append(im.report.Left, ImportLeft{what, err})
			return nil
		}
	}
	return fmt.Errorf("%s: %w", what, err)
}

// did tells that something was looked at.
func (im *importer) did(what string, n int) {
	im.progress.Doing, im.progress.Done = what, im.progress.Done+n
	if im.opts.Progress != nil {
		im.opts.Progress(im.progress)
	}
}
