package compare

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// texts has a row for each name that any version has.
func texts(versions []*modelregistry.Version, of func(*modelregistry.Version) map[string]string) []Text {
	all := make([]map[string]string, len(versions))
	names := map[string]bool{}
	for i, v := range versions {
		all[i] = of(v)
		for name := range all[i] {
			names[name] = true
		}
	}
	var out []Text
	for _, name := range slices.Sorted(maps.Keys(names)) {
		values := make([]*string, len(all))
		for i, m := range all {
			if s, ok := m[name]; ok {
				values[i] = &s
			}
		}
		out = append(out, text(name, values))
	}
	return out
}

func text(name string, values []*string) Text {
	differs := slices.ContainsFunc(values, func(s *string) bool {
		return (s == nil) != (values[0] == nil) || s != nil && *s != *values[0]
	})
	return Text{Name: name, Values: values, Differs: differs}
}

func (c *Comparison) metrics(opts *Options) {
	names := map[string]bool{}
	for _, v := range c.Versions {
		for name := range v.Metrics.All() {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		m := Metric{Name: name, Direction: opts.direction(name), Best: -1}
		first, inFirst := c.Versions[0].Metrics.Lookup(name)
		for i, v := range c.Versions {
			value, ok := v.Metrics.Lookup(name)
			var n, delta *Number
			change := Absent
			switch {
			case ok && inFirst:
				n, delta, change = new(Number(value)), new(Number(value-first)), m.Direction.judge(first, value)
				if first == value {
					*delta = 0 // infinity less infinity is not a number
				}
			case ok:
				n, change = new(Number(value)), Added
			case inFirst:
				change = Removed
			}
			m.Values, m.Deltas, m.Changes = append(m.Values, n), append(m.Deltas, delta), append(m.Changes, change)
			m.Differs = m.Differs || change != Same && change != Absent
			if ok && m.Direction != Unknown && (m.Best < 0 || m.Direction.judge(float64(*m.Values[m.Best]), value) == Better) {
				m.Best = i
			}
		}
		c.Metrics = append(c.Metrics, m)
	}
}

// about are the facts that every version has in some form; those that none has are left out.
func (c *Comparison) about(facts []*modelregistry.Facts) {
	rows := []struct {
		name  string
		value func(v *modelregistry.Version, f *modelregistry.Facts) string
	}{
		{"stage", func(v *modelregistry.Version, _ *modelregistry.Facts) string { return string(v.Stage) }},
		{"semver", func(v *modelregistry.Version, _ *modelregistry.Facts) string {
			if v.Semver.IsZero() {
				return ""
			}
			return v.Semver.String()
		}},
		{"aliases", func(v *modelregistry.Version, _ *modelregistry.Facts) string { return v.Aliases.String() }},
		{"description", func(v *modelregistry.Version, _ *modelregistry.Facts) string { return v.Description }},
		{"created", func(v *modelregistry.Version, _ *modelregistry.Facts) string {
			if v.Created.IsZero() {
				return ""
			}
			return v.Created.UTC().Format(time.RFC3339)
		}},
		{"created by", func(v *modelregistry.Version, _ *modelregistry.Facts) string { return v.CreatedBy }},
		{"run", func(v *modelregistry.Version, _ *modelregistry.Facts) string { return v.RunID }},
		{"source", func(v *modelregistry.Version, _ *modelregistry.Facts) string { return v.Source }},
		{"digest", func(v *modelregistry.Version, _ *modelregistry.Facts) string { return v.Digest }},
		{"revision", func(_ *modelregistry.Version, f *modelregistry.Facts) string {
			switch p := f.Provenance; {
			case p == nil:
				return ""
			case p.Dirty:
				return p.Revision + " (dirty)"
			default:
				return p.Revision
			}
		}},
		{"go version", func(_ *modelregistry.Version, f *modelregistry.Facts) string {
			if f.Provenance == nil {
				return ""
			}
			return f.Provenance.GoVersion
		}},
		{"image", func(_ *modelregistry.Version, f *modelregistry.Facts) string {
			if f.Serving == nil {
				return ""
			}
			return f.Serving.Image
		}},
	}
	for _, row := range rows {
		values := make([]*string, len(c.Versions))
		said := false
		for i, v := range c.Versions {
			if s := row.value(v, facts[i]); s != "" {
				values[i], said = &s, true
			}
		}
		if said {
			c.About = append(c.About, text(row.name, values))
		}
	}
}

func (c *Comparison) files(manifests [][]modelregistry.File) {
	at := map[string]int{}
	for i, files := range manifests {
		for _, f := range files {
			k, ok := at[f.Path]
			if !ok {
				k = len(c.Files)
				at[f.Path] = k
				c.Files = append(c.Files, File{Path: f.Path, Files: make([]*modelregistry.File, len(manifests)), Changes: make([]Change, len(manifests))})
			}
			c.Files[k].Files[i] = &f
		}
	}
	slices.SortFunc(c.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	for k := range c.Files {
		row := &c.Files[k]
		first := row.Files[0]
		for i, f := range row.Files {
			switch {
			case f == nil && first == nil:
			case first == nil:
				row.Changes[i] = Added
			case f == nil:
				row.Changes[i] = Removed
			case f.Digest != first.Digest:
				row.Changes[i] = Differs
			default:
				row.Changes[i] = Same
			}
			row.Differs = row.Differs || row.Changes[i] != Same && row.Changes[i] != Absent
		}
	}
}

func (c *Comparison) origins(edges [][]modelregistry.Edge) {
	at := map[string]int{}
	for i, of := range edges {
		for _, e := range of {
			key := string(e.Type) + "\x00" + string(e.To.Kind) + "\x00" + e.To.Name + "\x00" + e.To.Version
			k, ok := at[key]
			if !ok {
				k = len(c.Origins)
				at[key] = k
				c.Origins = append(c.Origins, Origin{Type: e.Type, Node: e.To, In: make([]bool, len(edges))})
			}
			c.Origins[k].In[i] = true
		}
	}
	slices.SortStableFunc(c.Origins, func(a, b Origin) int {
		if a.Type != b.Type {
			return strings.Compare(string(a.Type), string(b.Type))
		}
		return strings.Compare(a.Node.String(), b.Node.String())
	})
	for k := range c.Origins {
		c.Origins[k].Differs = slices.Contains(c.Origins[k].In, false)
	}
}
