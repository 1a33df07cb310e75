package mlflow

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

// model takes a model with its versions.
func (im *importer) model(ctx context.Context, m *modelregistry.Model) error {
	here, err := im.to.Model(ctx, m.Name)
	switch {
	case err == nil:
		im.report.Models.There++
	case errors.Is(err, modelregistry.ErrNotFound):
		tags := m.Tags.Clone()
		tags[tagImported] = "0"
		here, err = im.to.CreateModel(ctx, m.Name, modelregistry.ModelSpec{Description: m.Description, Tags: tags, Reason: im.opts.Reason})
		if err == nil {
			im.report.Models.Taken++
		}
	}
	if err != nil {
		im.did("model "+m.Name, m.Last)
		return im.leave("model "+m.Name, err)
	}
	done, err := strconv.Atoi(here.Tags.Get(tagImported))
	if err != nil { // it is somebody's own
		im.did("model "+m.Name, m.Last)
		return im.leave("model "+m.Name, fmt.Errorf("%w: there is a model of that name which no import has made", modelregistry.ErrExists))
	}
	if m, err = im.from.Model(ctx, m.Name); err != nil { // as it is by now
		return im.leave("model "+here.Name, err)
	}
	last, err := im.versions(ctx, m, here, done)
	if err != nil || last == done {
		return err
	}
	for _, alias := range slices.Sorted(maps.Keys(m.Aliases)) {
		if number := m.Aliases[alias]; number > done && number <= last {
			if _, err := im.to.SetAlias(ctx, m.Name, alias, number, &modelregistry.AliasOptions{Reason: im.opts.Reason}); err != nil {
				if err := im.leave(fmt.Sprintf("alias %s of model %s", alias, m.Name), err); err != nil {
					return err
				}
			}
		}
	}
	_, err = im.to.UpdateModel(ctx, m.Name, modelregistry.ModelPatch{SetTags: map[string]string{tagImported: strconv.Itoa(last)}, Reason: im.opts.Reason})
	return err
}

// versions takes the versions behind the number done, in order of their numbers, and returns the last that is there then.
func (im *importer) versions(ctx context.Context, m, here *modelregistry.Model, done int) (last int, err error) {
	im.did("model "+m.Name, min(done, m.Last))
	last = done
	next := here.Last + 1 // the number that Register gives
	q := modelregistry.Query{Filter: "name = " + modelregistry.Quote(m.Name), OrderBy: []string{"version_number ASC"}, PageSize: 1000}
	if done > 0 {
		im.report.Versions.There += done
		q.Filter += " AND version_number > " + strconv.Itoa(done)
	}
	for v, err := range im.from.Versions(ctx, q) {
		if err != nil {
			return last, err
		}
		if v.Number <= done {
			continue
		}
		what := "version " + v.Ref()
		err = im.fill(ctx, v, last, next)
		if err == nil && next <= v.Number {
			err = im.register(ctx, v)
			next = v.Number + 1
		}
		if err == nil {
			err = im.stage(ctx, v)
		}
		if err != nil {
			im.did(what, m.Last-last)
			return last, im.leave(what+" and those after it", err)
		}
		im.did(what, v.Number-last)
		last = v.Number
	}
	return last, nil
}

// fill uses up the numbers between after and v's, which were deleted there, as far as they are not used up: next is the
// first that is free.
func (im *importer) fill(ctx context.Context, v *modelregistry.Version, after, next int) error {
	for number := after + 1; number < v.Number; number++ {
		reason := fmt.Sprintf("%s: number %d was deleted there", im.opts.Reason, number)
		var here *modelregistry.Version
		var err error
		if number < next { // and perhaps not deleted yet
			if here, err = im.to.Version(ctx, v.Model, number); errors.Is(err, modelregistry.ErrNotFound) {
				continue
			}
		} else {
			here, err = im.to.Register(ctx, v.Model, modelregistry.VersionSpec{Tags: map[string]string{tagImportedFrom: "nothing"}, Reason: reason})
		}
		if err != nil {
			return err
		}
		if here.Number != number || here.Tags.Get(tagImportedFrom) != "nothing" {
			return fmt.Errorf("%w: somebody else registers versions of model %q", modelregistry.ErrConflict, v.Model)
		}
		if err := im.to.DeleteVersion(ctx, v.Model, number, &modelregistry.DeleteOptions{Reason: reason}); err != nil {
			return err
		}
	}
	return nil
}

// register takes a version under its number, which is the next.
func (im *importer) register(ctx context.Context, v *modelregistry.Version) error {
	spec := modelregistry.VersionSpec{Description: v.Description, Tags: v.Tags.Clone(), RunID: v.RunID, ForeignRun: true, Source: v.Source, Reason: im.opts.Reason}
	spec.Tags[tagImportedFrom] = v.Ref()
	if id, ok := strings.CutPrefix(v.Source, "models:/"); ok && im.logged[id] != nil {
		spec.Artifacts = im.logged[id].Artifacts // its files were taken already
	} else if v.Source != "" {
		fsys := im.from.Files(ctx, v)
		if _, err := fs.Stat(fsys, "."); err == nil {
			spec.Files = fsys
		} else if !im.opts.WithoutFiles {
			return fmt.Errorf("files: %w", err)
		} else if err := im.leave("files of version "+v.Ref(), err); err != nil {
			return err
		}
	}
	got, err := im.to.Register(ctx, v.Model, spec)
	if spec.Artifacts != "" && errors.Is(err, modelregistry.ErrNotFound) { // a logged model without files
		spec.Artifacts = ""
		got, err = im.to.Register(ctx, v.Model, spec)
	}
	if err != nil && spec.Files != nil && im.opts.WithoutFiles {
		if err := im.leave("files of version "+v.Ref(), err); err != nil {
			return err
		}
		spec.Files = nil
		got, err = im.to.Register(ctx, v.Model, spec)
	}
	if err != nil {
		return err
	}
	if got.Number != v.Number {
		return fmt.Errorf("%w: somebody else registers versions of model %q: it became number %d", modelregistry.ErrConflict, v.Model, got.Number)
	}
	im.report.Versions.Taken++
	return nil
}

// stage moves a version that an import has registered into its stage. Several may hold it, as they may there.
func (im *importer) stage(ctx context.Context, v *modelregistry.Version) error {
	here, err := im.to.Version(ctx, v.Model, v.Number)
	if err != nil {
		return err
	}
	if here.Tags.Get(tagImportedFrom) != v.Ref() {
		return fmt.Errorf("%w: the number is another version's, which no import has made", modelregistry.ErrExists)
	}
	if here.Stage == v.Stage {
		return nil
	}
	_, err = im.to.Transition(ctx, v.Model, v.Number, v.Stage, &modelregistry.TransitionOptions{Keep: true, Reason: im.opts.Reason})
	return err
}
