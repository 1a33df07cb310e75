package compare

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

// MaxVersions is how many versions can be compared at once.
const MaxVersions = 100

// Options go with Versions and Numbers. Nil means all defaults.
type Options struct {
	// Directions says of metrics, by name, which values are better; DirectionOf says it of those that are not here.
	Directions map[string]Direction
}

func (o *Options) direction(metric string) Direction {
	if o != nil {
		if d, ok := o.Directions[metric]; ok {
			return d
		}
	}
	return DirectionOf(metric)
}

// A Comparison is what versions have in common and what not. Values stand in the order of Versions.
type Comparison struct {
	Versions []*modelregistry.Version `json:"versions"` // the others are compared with the first
	About    []Text                   `json:"about"`    // stage, semantic version, aliases, who made it when, the commit …
	Params   []Text                   `json:"params"`
	Metrics  []Metric                 `json:"metrics"`
	Tags     []Text                   `json:"tags"`
	Files    []File                   `json:"files"`
	Origins  []Origin                 `json:"origins"`
	// Signatures says for each version what its signature changes for callers of the first one.
	Signatures []Signature `json:"signatures"`
}

// A Signature is what a version's signature changes for callers of the first version.
type Signature struct {
	Breaking bool                        `json:"breaking"`
	Changes  []string                    `json:"changes"` // sentences
	Diff     modelregistry.SignatureDiff `json:"-"`
}

// A Text is one thing that is said of each version in words.
type Text struct {
	Name    string    `json:"name"`
	Values  []*string `json:"values"` // nil: not said of that version
	Differs bool      `json:"differs"`
}

// A Metric is one metric of each version.
type Metric struct {
	Name      string    `json:"name"`
	Direction Direction `json:"direction"`
	Values    []*Number `json:"values"` // nil: that version has none
	// Deltas are the differences to the first version's value; nil where one of both has none.
	Deltas  []*Number `json:"deltas"`
	Changes []Change  `json:"changes"`
	Best    int       `json:"best"` // the place of the best value, the first of equals; -1 if the Direction is Unknown
	Differs bool      `json:"differs"`
}

// A File is one path in each version.
type File struct {
	Path    string                `json:"path"`
	Files   []*modelregistry.File `json:"files"` // nil: that version has none there
	Changes []Change              `json:"changes"`
	Differs bool                  `json:"differs"`
}

// An Origin is something that versions came from, in one step.
type Origin struct {
	Type    modelregistry.EdgeType `json:"type"`
	Node    modelregistry.Node     `json:"node"`
	In      []bool                 `json:"in"` // whether that version came from it
	Differs bool                   `json:"differs"`
}

// Numbers compares versions of one model by their numbers. ErrNotFound: one is not there, the message says which.
func Numbers(ctx context.Context, reg modelregistry.Registry, model string, opts *Options, numbers ...int) (*Comparison, error) {
	if err := checkCount(len(numbers)); err != nil {
		return nil, err
	}
	list := make([]string, len(numbers))
	for i, n := range numbers {
		list[i] = strconv.Itoa(n)
	}
	page, err := reg.SearchVersions(ctx, modelregistry.Query{
		Filter:   fmt.Sprintf("name = %s AND version_number IN (%s)", modelregistry.Quote(model), strings.Join(list, ", ")),
		PageSize: MaxVersions,
	})
	if err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	if len(page.Versions) == 0 {
		if _, err := reg.Model(ctx, model); err != nil {
			return nil, fmt.Errorf("compare: %w", err)
		}
	}
	versions := make([]*modelregistry.Version, len(numbers))
	for i, n := range numbers {
		at := slices.IndexFunc(page.Versions, func(v *modelregistry.Version) bool { return v.Number == n })
		if at < 0 {
			return nil, fmt.Errorf("compare: version %d of model %q: %w", n, model, modelregistry.ErrNotFound)
		}
		versions[i] = page.Versions[at]
	}
	return Versions(ctx, reg, opts, versions...)
}

func checkCount(n int) error {
	if n < 2 || n > MaxVersions {
		return fmt.Errorf("compare: %w: %d versions; from 2 to %d can be compared", modelregistry.ErrInvalid, n, MaxVersions)
	}
	return nil
}

// Versions compares versions of any models, as they are given. ErrInvalid: fewer than two, or more than MaxVersions.
func Versions(ctx context.Context, reg modelregistry.Registry, opts *Options, versions ...*modelregistry.Version) (*Comparison, error) {
	if err := checkCount(len(versions)); err != nil {
		return nil, err
	}
	if slices.Contains(versions, nil) {
		return nil, fmt.Errorf("compare: %w: one of the versions is nil", modelregistry.ErrInvalid)
	}
	c := &Comparison{Versions: versions}
	c.Params = texts(versions, func(v *modelregistry.Version) map[string]string { return v.Params.Clone() })
	c.Tags = texts(versions, func(v *modelregistry.Version) map[string]string { return v.Tags.Clone() })
	c.metrics(opts)
	facts := make([]*modelregistry.Facts, len(versions))
	origins := make([][]modelregistry.Edge, len(versions))
	manifests := make([][]modelregistry.File, len(versions))
	known := map[string][]modelregistry.File{}
	for i, v := range versions {
		for _, read := range []func() error{
			func() (err error) { facts[i], err = reg.Facts(ctx, v); return err },
			func() (err error) {
				g, err := reg.Lineage(ctx, v.Node(), &modelregistry.LineageOptions{UpDepth: 1, DownDepth: -1})
				if err == nil {
					origins[i] = g.Edges
				}
				return err
			},
			func() (err error) {
				files, ok := known[v.Digest]
				if !ok {
					files, err = reg.Manifest(ctx, v)
				}
				known[v.Digest], manifests[i] = files, files
				return err
			},
		} {
			if err := read(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
				return nil, fmt.Errorf("compare %s: %w", v.Ref(), err)
			}
		}
		if facts[i] == nil {
			facts[i] = &modelregistry.Facts{}
		}
	}
	c.about(facts)
	c.files(manifests)
	c.origins(origins)
	for _, f := range facts {
		s := Signature{Diff: facts[0].Signature.Diff(f.Signature)}
		s.Breaking = s.Diff.Breaking()
		for _, change := range s.Diff {
			s.Changes = append(s.Changes, change.String())
		}
		c.Signatures = append(c.Signatures, s)
	}
	return c, nil
}

// Differences is the comparison without what is the same in all versions.
func (c *Comparison) Differences() *Comparison {
	out := *c
	out.About = differing(c.About, func(t Text) bool { return t.Differs })
	out.Params = differing(c.Params, func(t Text) bool { return t.Differs })
	out.Metrics = differing(c.Metrics, func(m Metric) bool { return m.Differs })
	out.Tags = differing(c.Tags, func(t Text) bool { return t.Differs })
	out.Files = differing(c.Files, func(f File) bool { return f.Differs })
	out.Origins = differing(c.Origins, func(o Origin) bool { return o.Differs })
	return &out
}

func differing[T any](all []T, differs func(T) bool) []T {
	var out []T
	for _, t := range all {
		if differs(t) {
			out = append(out, t)
		}
	}
	return out
}
