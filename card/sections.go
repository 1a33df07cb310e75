package card

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/compare"
)

// A section is a part of a card: text, a table, or the picture of the lineage.
type section struct {
	title   string
	text    []string // paragraphs
	head    []string
	rows    [][]string
	picture bool
}

// sections are those that have something to say, in order.
func (c *Card) sections() []section {
	var out []section
	for _, s := range []section{
		c.about(), c.metrics(), pairs("Params", c.Version.Params), pairs("Tags", c.Version.Tags), c.signature(), c.lineage(),
		c.provenance(), c.serving(), c.endpoints(), c.files(), c.envelopes(), c.gates(), c.approvals(), c.history(),
	} {
		if len(s.text) > 0 || len(s.rows) > 0 || s.picture {
			out = append(out, s)
		}
	}
	return out
}

// title names the version with its semantic version.
func (c *Card) title() string {
	if c.Version.Semver.IsZero() {
		return c.Version.Ref()
	}
	return c.Version.Ref() + " (" + c.Version.Semver.String() + ")"
}

// A list collects rows of a name and a value, without those that have none.
type list [][]string

func (l *list) add(name, value string) {
	if value != "" {
		*l = append(*l, []string{name, value})
	}
}

func (l *list) addTime(name string, t time.Time) {
	if !t.IsZero() {
		l.add(name, stamp(t))
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

func (c *Card) about() section {
	v := c.Version
	s := section{}
	if c.Model != nil && c.Model.Description != "" {
		s.text = append(s.text, c.Model.Description)
	}
	if v.Description != "" {
		s.text = append(s.text, v.Description)
	}
	var l list
	l.add("stage", fmt.Sprintf("%s since %s", v.Stage, stamp(v.StageSince)))
	l.add("aliases", v.Aliases.String())
	if !v.Semver.IsZero() {
		l.add("semantic version", v.Semver.String())
	}
	l.add("address", v.URI())
	l.addTime("registered", v.Created)
	l.add("registered by", v.CreatedBy)
	l.add("run", v.RunID)
	l.add("source", v.Source)
	l.add("digest of all files", v.Digest)
	s.head, s.rows = []string{"", ""}, l
	return s
}

func pairs(title string, m modelregistry.Map[string]) section {
	s := section{title: title, head: []string{"name", "value"}}
	for name, value := range m.All() {
		s.rows = append(s.rows, []string{name, value})
	}
	return s
}

func (c *Card) metrics() section {
	s := section{title: "Metrics", head: []string{"metric", c.Version.Ref()}}
	if c.Compared == nil {
		for name, value := range c.Version.Metrics.All() {
			s.rows = append(s.rows, []string{name, compare.Number(value).String()})
		}
		return s
	}
	s.head = append(s.head, c.Previous.Ref(), "change")
	for _, m := range c.Compared.Metrics {
		row := []string{m.Name, "", "", string(m.Changes[1])}
		for i, v := range []*compare.Number{m.Values[1], m.Values[0]} {
			if v != nil {
				row[i+1] = v.String()
			}
		}
		if d := m.Deltas[1]; d != nil && *d != 0 {
			row[3] = d.Signed() + " " + row[3]
		}
		s.rows = append(s.rows, row)
	}
	if len(s.rows) > 0 {
		relation := "is in Production now"
		if c.Previous.Stage != modelregistry.Production || c.Version.Stage == modelregistry.Production {
			relation = "was in Production before"
		}
		s.text = []string{fmt.Sprintf("Beside %s, which %s.", c.Previous.Ref(), relation)}
	}
	return s
}

func (c *Card) signature() section {
	s := section{title: "Signature", head: []string{"part", "name", "type"}}
	if c.Facts == nil || c.Facts.Signature == nil {
		return s
	}
	for _, part := range []struct {
		name   string
		schema modelregistry.Schema
	}{{"input", c.Facts.Signature.Inputs}, {"output", c.Facts.Signature.Outputs}} {
		for _, col := range part.schema {
			kind := fmt.Sprint(col.Type)
			if col.Optional {
				kind += ", optional"
			}
			s.rows = append(s.rows, []string{part.name, col.Name, kind})
		}
	}
	for _, p := range c.Facts.Signature.Params {
		kind := fmt.Sprint(p.Type)
		if p.List {
			kind = "list of " + kind
		}
		if p.Default != nil {
			kind += fmt.Sprintf(", default %v", p.Default)
		}
		s.rows = append(s.rows, []string{"param", p.Name, kind})
	}
	if c.Compared != nil {
		s.text = append(s.text, c.Compared.Signatures[1].Changes...)
		for i := range s.text {
			s.text[i] = "Since " + c.Previous.Ref() + ": " + s.text[i]
		}
	}
	return s
}

func (c *Card) lineage() section {
	s := section{title: "Lineage", picture: c.Lineage != nil && len(c.Lineage.Edges) > 0}
	if !s.picture {
		return s
	}
	s.head = []string{"node", "where and what"}
	for _, n := range c.Lineage.Nodes {
		known := list{}
		known.add("", n.Path)
		for name, value := range n.Attributes.All() {
			known.add("", name+": "+value)
		}
		if len(known) == 0 {
			continue
		}
		var facts []string
		for _, k := range known {
			facts = append(facts, k[1])
		}
		s.rows = append(s.rows, []string{n.String(), strings.Join(facts, "; ")})
	}
	return s
}

func (c *Card) provenance() section {
	s := section{title: "Provenance", head: []string{"", ""}}
	if c.Facts == nil || c.Facts.Provenance == nil {
		return s
	}
	p := c.Facts.Provenance
	var l list
	l.add("revision", p.Revision)
	l.addTime("committed", p.RevisionTime)
	l.add("branch", p.Branch)
	l.add("repository", p.Remote)
	if p.Dirty {
		l.add("dirty", "yes: the code was not that of the commit")
	}
	l.add("program", p.Program)
	l.add("module", strings.TrimSpace(p.Module.Path+" "+p.Module.Version))
	l.add("Go", p.GoVersion)
	l.add("platform", strings.Trim(p.OS+"/"+p.Arch, "/"))
	l.add("host", p.Host)
	l.add("user", p.User)
	l.add("command", strings.Join(p.Command, " "))
	if len(p.Modules) > 0 {
		l.add("built with", fmt.Sprintf("%d modules", len(p.Modules)))
	}
	s.text, s.rows = p.Warnings, l
	return s
}

func (c *Card) serving() section {
	s := section{title: "Serving", head: []string{"", ""}}
	if c.Facts == nil || c.Facts.Serving == nil {
		return s
	}
	v := c.Facts.Serving
	var l list
	l.add("image", v.Image)
	var ports []string
	for _, p := range v.Ports {
		ports = append(ports, fmt.Sprint(p))
	}
	l.add("ports", strings.Join(ports, ", "))
	l.add("content types", strings.Join(v.ContentTypes, ", "))
	l.add("response types", strings.Join(v.ResponseTypes, ", "))
	l.add("instance types", strings.Join(v.InstanceTypes, ", "))
	if v.Resources.MilliCPU > 0 {
		l.add("processors", compare.Number(float64(v.Resources.MilliCPU)/1000).String())
	}
	if v.Resources.Memory > 0 {
		l.add("memory", compare.Size(v.Resources.Memory))
	}
	if v.Resources.GPUs > 0 {
		l.add("GPUs", fmt.Sprint(v.Resources.GPUs))
	}
	l.add("predictions at", v.PredictRoute)
	l.add("health at", v.HealthRoute)
	for _, name := range slices.Sorted(maps.Keys(v.Environment)) {
		l.add("environment", name+"="+v.Environment[name])
	}
	s.rows = l
	return s
}

func (c *Card) endpoints() section {
	s := section{title: "Endpoints", head: []string{"endpoint", "target", "traffic", "since", "URL"}}
	if c.Facts != nil {
		for _, e := range c.Facts.Endpoints {
			s.rows = append(s.rows, []string{e.Name, e.Target, compare.Number(e.Traffic).String() + " %", stamp(e.Since), e.URL})
		}
	}
	return s
}

func (c *Card) files() section {
	s := section{title: "Files", head: []string{"path", "size", "digest"}}
	for _, f := range c.Files[:min(len(c.Files), maxFiles)] {
		s.rows = append(s.rows, []string{f.Path, compare.Size(f.Size), f.Digest})
	}
	if n := len(c.Files) - maxFiles; n > 0 {
		s.text = []string{fmt.Sprintf("And %d more; all have %s.", n, compare.Size(c.Version.Size))}
	}
	return s
}

func (c *Card) envelopes() section {
	s := section{title: "Signed statements", head: []string{"type of statement", "keys", "signatures"}}
	if c.Facts == nil {
		return s
	}
	for _, e := range c.Facts.Envelopes {
		var keys []string
		for _, sig := range e.Signatures {
			keys = append(keys, sig.KeyID)
		}
		s.rows = append(s.rows, []string{e.PayloadType, strings.Join(keys, ", "), fmt.Sprint(len(e.Signatures))})
	}
	if len(s.rows) > 0 {
		s.text = []string{"Kept with the version; this page does not say that they hold."}
	}
	return s
}
