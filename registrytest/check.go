package registrytest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

// Check looks at everything in a registry that nobody changes meanwhile, and returns an error for each promise that does
// not hold: who is in a stage and what aliases name agree between models, versions, URIs and events; numbers and semantic
// versions are unique; every file of every version, and every artifact, reads right to its end; and the chains of events
// are whole. It leaves
// out what the registry answers with errors.ErrUnsupported.
func Check(ctx context.Context, r modelregistry.Registry) error { return check(ctx, r, nil) }

func check(ctx context.Context, r modelregistry.Registry, cannot []string) error {
	c := &checker{ctx: ctx, r: r, newestHolders: slices.Contains(cannot, "Holders"), emptyDirs: slices.Contains(cannot, "Directories")}
	models, err := collect(r.Models(ctx, modelregistry.Query{}))
	if c.report("list models", err) {
		return errors.Join(c.problems...)
	}
	events, err := collect(r.Events(ctx, modelregistry.EventQuery{}))
	if errors.Is(err, errors.ErrUnsupported) {
		c.noHistory = true
	} else if c.report("list events", err) {
		return errors.Join(c.problems...)
	}
	tales, err := replay(events)
	c.report("history", err)
	for _, m := range models {
		c.model(m, tales[m.ID])
		delete(tales, m.ID)
	}
	for id, t := range tales {
		if t.name != "" && !t.deleted { // lineage that belongs to no model has no name
			c.problem("model %q (%s) is in the history and not in the registry", t.name, id)
		}
	}
	c.artifacts("")
	for report, err := range r.VerifyAll(ctx) {
		if c.report("verify all histories", err) && report != nil {
			c.problem("history of model %q: %+v", report.Model, *report)
		}
	}
	return errors.Join(c.problems...)
}

// CheckModel is Check for what has to do with one model. That there is none is no error.
func CheckModel(ctx context.Context, r modelregistry.Registry, name string) error {
	c := &checker{ctx: ctx, r: r}
	m, err := r.Model(ctx, name)
	if errors.Is(err, modelregistry.ErrNotFound) {
		return nil
	}
	if c.report("read model", err) {
		return errors.Join(c.problems...)
	}
	events, err := collect(r.Events(ctx, modelregistry.EventQuery{ModelID: m.ID}))
	if errors.Is(err, errors.ErrUnsupported) {
		c.noHistory = true
	} else if c.report("list events", err) {
		return errors.Join(c.problems...)
	}
	tales, err := replay(events)
	c.report("history", err)
	c.model(m, tales[m.ID])
	return errors.Join(c.problems...)
}

type checker struct {
	ctx       context.Context
	r         modelregistry.Registry
	noHistory bool
	// What Options.Unsupported calls Holders and Directories.
	newestHolders, emptyDirs bool
	problems                 []error
}

func (c *checker) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Errorf(format, args...))
}

// report notes a failure and says whether there was one.
func (c *checker) report(doing string, err error) bool {
	if err == nil {
		return false
	}
	if !errors.Is(err, errors.ErrUnsupported) {
		c.problem("%s: %w", doing, err)
	}
	return true
}

func (c *checker) model(listed *modelregistry.Model, t *tale) {
	m, err := c.r.Model(c.ctx, listed.Name)
	if c.report("read model", err) {
		return
	}
	if text(m) != text(listed) {
		c.problem("model %q: read alone it is %s, listed %s", m.Name, text(m), text(listed))
	}
	versions, err := collect(c.r.Versions(c.ctx, modelregistry.Query{
		Filter:  "name = '" + strings.ReplaceAll(m.Name, "'", "''") + "'",
		OrderBy: []string{"version_number ASC"},
	}))
	if c.report("list versions", err) {
		return
	}
	c.agree(m, versions)
	for _, v := range versions {
		c.files(v)
	}
	if c.noHistory {
		return
	}
	c.verify(m.Name)
	if t == nil {
		c.problem("model %q has no history", m.Name)
		return
	}
	c.told(m, versions, t)
	c.asked(m, t)
}

// agree compares what the model says of its versions with what they say themselves, and with what URIs find.
func (c *checker) agree(m *modelregistry.Model, versions []*modelregistry.Version) {
	numbers, aliases, semvers := map[int]bool{}, map[string]int{}, map[string]bool{}
	newest := map[modelregistry.Stage]int{}
	holders := map[modelregistry.Stage][]int{}
	latest := 0
	for _, v := range versions {
		if v.Model != m.Name || v.ModelID != m.ID || v.Number < 1 || v.Number > m.Last || numbers[v.Number] {
			c.problem("version %s (model ID %s) does not belong to model %q (%s, last number %d), or is there twice", v.Ref(), v.ModelID, m.Name, m.ID, m.Last)
		}
		numbers[v.Number] = true
		latest = max(latest, v.Number)
		newest[v.Stage] = max(newest[v.Stage], v.Number)
		if v.Stage == modelregistry.Staging || v.Stage == modelregistry.Production {
			holders[v.Stage] = append(holders[v.Stage], v.Number)
		}
		for alias := range v.Aliases.All() {
			if aliases[alias] != 0 {
				c.problem("alias %q of model %q names versions %d and %d", alias, m.Name, aliases[alias], v.Number)
			}
			aliases[alias] = v.Number
		}
		if !v.Semver.IsZero() {
			if key := v.Semver.SortKey(); semvers[key] {
				c.problem("two versions of model %q are %s", m.Name, v.Semver)
			} else {
				semvers[key] = true
			}
			if v.Semver.Compare(m.Semver) > 0 {
				c.problem("version %s is %s, above the model's highest, %s", v.Ref(), v.Semver, m.Semver)
			}
			c.resolves(m.Name+"/v"+v.Semver.String(), v.Number)
		}
		c.resolves(v.Ref(), v.Number)
	}
	for _, stage := range []modelregistry.Stage{modelregistry.Staging, modelregistry.Production} {
		if all := holders[stage]; c.newestHolders && len(all) > 1 {
			holders[stage] = all[len(all)-1:]
		}
		if !slices.Equal(m.Holders[stage], holders[stage]) {
			c.problem("model %q says that %v are in %s, its versions that %v are", m.Name, m.Holders[stage], stage, holders[stage])
		}
	}
	if len(aliases) != len(m.Aliases) {
		c.problem("model %q has the aliases %v, its versions %v", m.Name, m.Aliases, aliases)
	}
	for alias, number := range m.Aliases {
		if aliases[alias] != number {
			c.problem("alias %q of model %q names version %d; the versions say %d", alias, m.Name, number, aliases[alias])
		}
		c.resolves(m.Name+"@"+alias, number)
	}
	for _, stage := range modelregistry.Stages() {
		c.resolves(m.Name+"/"+string(stage), newest[stage])
	}
	c.resolves(m.Name+"/latest", latest)
}

// resolves looks whether a URI finds a version, or with number 0 none.
func (c *checker) resolves(rest string, number int) {
	if strings.Contains(rest, "%") {
		return // in a name it stands for itself, and the check is not about URIs
	}
	v, err := c.r.Resolve(c.ctx, "models:/"+rest)
	switch {
	case number == 0 && errors.Is(err, modelregistry.ErrNotFound):
	case number == 0:
		c.problem("models:/%s: %v, %v; nothing is there", rest, v, err)
	case c.report("resolve", err):
	case v.Number != number:
		c.problem("models:/%s is version %d; it should be %d", rest, v.Number, number)
	}
}

// files reads all files of a version to their end.
func (c *checker) files(v *modelregistry.Version) {
	if v.Digest == "" {
		return
	}
	manifest, err := c.r.Manifest(c.ctx, v)
	if c.report("list files of "+v.Ref(), err) {
		return
	}
	var size int64
	fsys := c.r.Files(c.ctx, v)
	for _, f := range manifest {
		size += f.Size
		content, err := fs.ReadFile(fsys, f.Path)
		if c.report("read a file of "+v.Ref(), err) {
			return
		}
		if int64(len(content)) != f.Size {
			c.problem("file %s of %s has %d bytes, listed are %d", f.Path, v.Ref(), len(content), f.Size)
		}
	}
	if size != v.Size || len(manifest) != v.FileCount {
		c.problem("version %s has %d files of %d bytes, listed are %d of %d", v.Ref(), v.FileCount, v.Size, len(manifest), size)
	}
}

func (c *checker) verify(model string) {
	report, err := c.r.Verify(c.ctx, model)
	if c.report("verify the history of "+model, err) {
		return
	}
	if report.Broken != nil || report.Problem != "" || report.Events == 0 {
		c.problem("history of model %q: %+v", model, *report)
	}
}

// told compares a model and its versions with what the events make of them.
func (c *checker) told(m *modelregistry.Model, versions []*modelregistry.Version, t *tale) {
	if t.deleted || t.name != m.Name || t.last != m.Last || len(t.versions) != len(versions) {
		c.problem("the history makes of model %q (last %d, %d versions): name %q, deleted %t, last %d, %d versions",
			m.Name, m.Last, len(versions), t.name, t.deleted, t.last, len(t.versions))
	}
	for _, stage := range []modelregistry.Stage{modelregistry.Staging, modelregistry.Production} {
		if !slices.Equal(t.holders[stage], m.Holders[stage]) {
			c.problem("the history of model %q says that %v are in %s, the model that %v are", m.Name, t.holders[stage], stage, m.Holders[stage])
		}
	}
	for _, v := range versions {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text(v)), &fields); err != nil {
			c.problem("version %s: %w", v.Ref(), err)
			return
		}
		for _, name := range followed {
			if told := t.versions[v.Number][name]; string(told) != string(fields[name]) {
				c.problem("%s of version %s is %s, by its history %s", name, v.Ref(), fields[name], told)
			}
		}
	}
	past := c.r.At(t.end.Time)
	for _, uri := range []string{"models:/" + m.Name + "/latest", "models:/" + m.Name + "/Production", "models:/" + m.Name + "/Staging"} {
		now, errNow := c.r.Resolve(c.ctx, uri)
		then, errThen := past.Resolve(c.ctx, uri)
		if text(now) != text(then) || (errNow == nil) != (errThen == nil) {
			c.problem("%s: now %s, %v; at the time of the last event %s, %v", uri, text(now), errNow, text(then), errThen)
		}
	}
}
