package registrytest

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

var mistakePromises = []promise{
	{"a name that is none is refused by every method", badNames},
	{"a number that is none is refused by every method", badNumbers},
	{"a URI that is none gets the form that is", badURIs},
	{"values past the limits are refused", badValues},
	{"a stage or an alias that is none gets those that are", badStages},
	{"a search that is none gets what can be asked", badSearches},
	{"lineage that is none is refused", badLineage},
	{"values at the limits are kept", goodValues},
	{"tags that come to too much over several calls are refused", gatheredTags},
	{"names that would read as something else are refused", controlNames},
}

// A mistake is a call that is refused.
type mistake struct {
	name string
	do   func() error
	want error
	hint string // part of the message
}

// refused proves that each of the mistakes gets its error, with a sentence that helps, and changes nothing.
func (s *trial) refused(mistakes []mistake) {
	s.Helper()
	before := s.state()
	for _, m := range mistakes {
		err := m.do()
		var e *modelregistry.Error
		switch {
		case err == nil:
			s.Errorf("%s: no error; want %v", m.name, m.want)
		case s.excused(err):
			continue
		case !errors.Is(err, m.want) || !errors.As(err, &e):
			s.Errorf("%s: %v; want an *Error that is %v", m.name, err, m.want)
		case !strings.Contains(err.Error(), m.hint) && s.can("Sentences"):
			s.Errorf("%s: %v; want it to say %q", m.name, err, m.hint)
		case len(err.Error()) > 1500 || leaks(err) != "":
			s.Errorf("%s: a message of %d bytes that says %q: %.300v", m.name, len(err.Error()), leaks(err), err)
		}
		if s.state() != before {
			s.Fatalf("%s: it changed something", m.name)
		}
	}
}

func badNames(s *trial) {
	fraud(s)
	var mistakes []mistake
	for _, n := range []struct{ name, hint string }{
		{"", "empty"}, {" ", "empty"}, {"\t\n", "empty"}, {strings.Repeat("x", 257), "at most 256"}, {strings.Repeat("é", 100_000), "at most 256"},
		{"a\x00b", "NUL"}, {"a\xff", "UTF-8"}, {"..", "path"}, {".", "path"}, {"../../etc/passwd", "/"}, {"a/b", "/"}, {"a:b", ":"}, {"/", "/"},
	} {
		for _, c := range calls {
			if c.name == "Events" && n.name == "" {
				continue // all events
			}
			mistakes = append(mistakes, mistake{fmt.Sprintf("%s %.20q", c.name, n.name),
				func() error { return c.do(s.ctx, s.r, n.name, 1) }, modelregistry.ErrInvalid, n.hint})
		}
	}
	for _, c := range calls {
		if c.name == "CreateModel" || c.name == "RenameModel to" || c.name == "Register" || c.name == "CopyVersion" {
			continue // these make it
		}
		mistakes = append(mistakes, mistake{c.name + " of none", func() error { return c.do(s.ctx, s.r, "none", 1) }, modelregistry.ErrNotFound, `"none"`})
	}
	// Link and Lineage say so of their nodes, where a blank name has another sentence.
	for i, m := range mistakes {
		if strings.HasPrefix(m.name, "Lin") && m.hint == "empty" {
			mistakes[i].hint = "no name"
		}
		if strings.HasPrefix(m.name, "Lin") && (m.hint == "NUL" || m.hint == "at most 256" || m.hint == "UTF-8" || m.hint == "path") {
			mistakes[i].hint = ""
		}
	}
	s.refused(mistakes) // nor is there an event
}

func badNumbers(s *trial) {
	fraud(s)
	var mistakes []mistake
	for _, c := range calls {
		if !c.numbered {
			continue
		}
		for _, number := range []int{0, -1, math.MinInt, math.MaxInt} {
			mistakes = append(mistakes, mistake{fmt.Sprintf("%s version %d", c.name, number),
				func() error { return c.do(s.ctx, s.r, "fraud", number) }, modelregistry.ErrInvalid, "from 1"})
		}
		mistakes = append(mistakes, mistake{c.name + " version 4",
			func() error { return c.do(s.ctx, s.r, "fraud", 4) }, modelregistry.ErrNotFound, `version 4 of model "fraud"`})
	}
	s.refused(mistakes)
}

func badURIs(s *trial) {
	fraud(s)
	var mistakes []mistake
	for _, u := range []struct{ uri, hint string }{
		{"", "models:/name/3"},
		{"fraud/Production", "models:/fraud/Production"},
		{"fraud@champion", "models:/fraud@champion"},
		{"/fraud/1", "models:/fraud/1"},
		{"model:/fraud/1", "models:/fraud/1"},
		{"s3://bucket/path", "models:/name/3"},
		{"models:fraud/1", "models:/fraud/1"},
		{"models://host/fraud/1", "models:/host/fraud/1"},
		{"models:/", "name"},
		{"models:/fraud", "models:/fraud/latest"},
		{"models:/fraud/", "missing"},
		{"models:/fraud@", "alias"},
		{"models:/fraud/0", "from 1"},
		{"models:/fraud/-1", "1 to"},
		{"models:/fraud/1e3", "1 to"},
		{"models:/fraud/+1", "1 to"},
		{"models:/fraud/99999999999999999999", "from 1"},
		{"models:/fraud/2147483648", "from 1"},
		{"models:/fraud/Prod", "Production"},
		{"models:/fraud/1.2", "1.2.0"},
		{"models:/fraud/champion", "models:/name@alias"},
		{"models:/fraud@sha256:12", "64"},
		{"models:/fraud/1@sha256:zz", "64"},
		{"models:/fraud/1/../../x", "path"},
		{"models:/../1", "path"},
		{"models:/fraud/1\x00", "NUL"},
		{"models:/fraud/\xff", "UTF-8"},
		{"models:/" + strings.Repeat("x", 1_000_000) + "/1", "longer"},
		{"runs:/", "run"},
	} {
		mistakes = append(mistakes,
			mistake{fmt.Sprintf("Resolve %.50q", u.uri), func() error { _, err := s.r.Resolve(s.ctx, u.uri); return err }, modelregistry.ErrInvalid, u.hint},
			mistake{fmt.Sprintf("At %.50q", u.uri), func() error { _, err := s.r.At(epoch).Resolve(s.ctx, u.uri); return err }, modelregistry.ErrInvalid, u.hint},
			mistake{fmt.Sprintf("Copy %.50q", u.uri), func() error { _, err := s.r.CopyVersion(s.ctx, u.uri, "copy", nil); return err }, modelregistry.ErrInvalid, u.hint})
	}
	s.refused(mistakes)
}

func badValues(s *trial) {
	fraud(s)
	long := strings.Repeat("x", 100_001)
	tooMany := map[string]string{}
	for i := range 10_001 {
		tooMany[fmt.Sprint("k", i)] = ""
	}
	var mistakes []mistake
	register := func(name string, spec modelregistry.VersionSpec, want error, hint string) {
		mistakes = append(mistakes, mistake{"Register with " + name, func() error { _, err := s.r.Register(s.ctx, "fraud", spec); return err }, want, hint})
	}
	invalid := modelregistry.ErrInvalid
	for _, k := range []struct{ key, hint string }{
		{"", "empty"}, {long[:251], "at most 250"}, {"a\x00", "NUL"}, {"a\xff", "UTF-8"}, {"a*b", "letters"}, {"../a", "path"}, {"/a", "path"}, {"a//b", "path"}, {"a/../b", "path"}, {".", "path"}, {"a\nb", "letters"},
	} {
		entry := map[string]string{k.key: "v"}
		register(fmt.Sprintf("tag %.20q", k.key), modelregistry.VersionSpec{Tags: entry}, invalid, k.hint)
		register(fmt.Sprintf("param %.20q", k.key), modelregistry.VersionSpec{Params: entry}, invalid, k.hint)
		register(fmt.Sprintf("metric %.20q", k.key), modelregistry.VersionSpec{Metrics: map[string]float64{k.key: 1}}, invalid, k.hint)
		mistakes = append(mistakes,
			mistake{fmt.Sprintf("CreateModel with tag %.20q", k.key), func() error {
				_, err := s.r.CreateModel(s.ctx, "new", modelregistry.ModelSpec{Tags: entry})
				return err
			}, invalid, k.hint},
			mistake{fmt.Sprintf("UpdateModel with tag %.20q", k.key), func() error {
				_, err := s.r.UpdateModel(s.ctx, "fraud", modelregistry.ModelPatch{SetTags: entry})
				return err
			}, invalid, k.hint},
			mistake{fmt.Sprintf("UpdateVersion with tag %.20q", k.key), func() error {
				_, err := s.r.UpdateVersion(s.ctx, "fraud", 1, modelregistry.VersionPatch{SetTags: entry})
				return err
			}, invalid, k.hint})
	}
	register("a long tag", modelregistry.VersionSpec{Tags: map[string]string{"k": long}}, invalid, "at most 100000")
	register("a long param", modelregistry.VersionSpec{Params: map[string]string{"k": long[:6001]}}, invalid, "at most 6000")
	register("a NUL in a tag", modelregistry.VersionSpec{Tags: map[string]string{"k": "\x00"}}, invalid, "NUL")
	register("bad UTF-8 in a param", modelregistry.VersionSpec{Params: map[string]string{"k": "\xc3"}}, invalid, "UTF-8")
	register("a metric that is no number", modelregistry.VersionSpec{Metrics: map[string]float64{"m": math.NaN()}}, invalid, "NaN")
	register("a long description", modelregistry.VersionSpec{Description: long[:5001]}, invalid, "at most 5000")
	register("a NUL in the description", modelregistry.VersionSpec{Description: "\x00"}, invalid, "NUL")
	register("a long source", modelregistry.VersionSpec{Source: long[:501]}, invalid, "at most 500")
	register("a long run", modelregistry.VersionSpec{RunID: long[:251]}, invalid, "at most 250")
	register("a long reason", modelregistry.VersionSpec{Reason: long[:5001]}, invalid, "at most 5000")
	register("too many tags", modelregistry.VersionSpec{Tags: tooMany}, invalid, "at most 10000")
	register("too many params", modelregistry.VersionSpec{Params: tooMany}, invalid, "at most 10000")
	register("a semantic version of two numbers", modelregistry.VersionSpec{Semver: "1.2"}, invalid, "1.2.0")
	register("a semantic version with a leading zero", modelregistry.VersionSpec{Semver: "1.02.3"}, invalid, "1.2.3")
	register("a semantic version of many digits", modelregistry.VersionSpec{Semver: "1.2.9999999999999999999999"}, invalid, "digits")
	register("the semantic version 0.0.0", modelregistry.VersionSpec{Semver: "0.0.0"}, invalid, "0.0.1")
	register("a bump that is none", modelregistry.VersionSpec{Bump: "huge"}, invalid, "major, minor, patch")
	register("a semantic version and a bump", modelregistry.VersionSpec{Semver: "3.0.0", Bump: modelregistry.BumpMajor}, invalid, "both")
	register("a semantic version that is taken", modelregistry.VersionSpec{Semver: "1.2.3"}, modelregistry.ErrExists, "version 1 has it")
	register("a reserved alias", modelregistry.VersionSpec{Aliases: []string{"latest"}}, invalid, "reserved")
	register("an alias that is none", modelregistry.VersionSpec{Aliases: []string{"ok", "a b"}}, invalid, "letters")
	mistakes = append(mistakes,
		mistake{"CreateModel with a long description", func() error {
			_, err := s.r.CreateModel(s.ctx, "new", modelregistry.ModelSpec{Description: long[:5001]})
			return err
		}, invalid, "at most 5000"},
		mistake{"UpdateModel with a long description", func() error {
			_, err := s.r.UpdateModel(s.ctx, "fraud", modelregistry.ModelPatch{Description: ptr(long[:5001])})
			return err
		}, invalid, "at most 5000"},
		mistake{"a long reason of a promotion", func() error {
			_, err := s.r.Promote(s.ctx, "fraud", 3, production, &modelregistry.PromoteOptions{Reason: long})
			return err
		}, invalid, "at most 5000"},
		mistake{"a NUL in the reason of a deletion", func() error {
			return s.r.DeleteVersion(s.ctx, "fraud", 3, &modelregistry.DeleteOptions{Reason: "\x00"})
		}, invalid, "NUL"},
		mistake{"a long actor", func() error {
			_, err := s.r.As(long).Promote(s.ctx, "fraud", 3, production, nil)
			return err
		}, invalid, "at most 256"},
		mistake{"an actor that is no text", func() error {
			_, err := s.r.As("\xff").CreateModel(s.ctx, "new", modelregistry.ModelSpec{})
			return err
		}, invalid, "UTF-8"},
		mistake{"CreateModel again", func() error {
			_, err := s.r.CreateModel(s.ctx, "fraud", modelregistry.ModelSpec{})
			return err
		}, modelregistry.ErrExists, `"fraud"`})
	s.refused(mistakes)
}

func badStages(s *trial) {
	fraud(s)
	invalid := modelregistry.ErrInvalid
	transition := func(to modelregistry.Stage, opts *modelregistry.TransitionOptions) func() error {
		return func() error { _, err := s.r.Transition(s.ctx, "fraud", 3, to, opts); return err }
	}
	promote := func(to modelregistry.Stage) func() error {
		return func() error { _, err := s.r.Promote(s.ctx, "fraud", 3, to, nil); return err }
	}
	rollback := func(stage modelregistry.Stage) func() error {
		return func() error { _, err := s.r.Rollback(s.ctx, "fraud", stage, nil); return err }
	}
	const list = "None, Staging, Production, Archived"
	mistakes := []mistake{
		{"Promote to Prod", promote("Prod"), invalid, list},
		{"Promote to a long stage", promote(modelregistry.Stage(strings.Repeat("x", 10_000))), invalid, list},
		{"Promote to Archived", promote(archived), invalid, "use Transition"},
		{"Promote to None", promote(none), invalid, "use Transition"},
		{"Transition to Prod", transition("Prod", nil), invalid, list},
		{"Transition to None expecting", transition(none, &modelregistry.TransitionOptions{IfCurrent: ptr(1)}), invalid, "Staging or Production"},
		{"Rollback of Prod", rollback("Prod"), invalid, list},
		{"Rollback of None", rollback(none), invalid, "Staging and Production"},
		{"Rollback of Archived", rollback(archived), invalid, "Staging and Production"},
		{"Rollback of one holder", rollback(production), modelregistry.ErrConflict, "Production"},
		{"a delete of what serves", func() error { return s.r.DeleteVersion(s.ctx, "fraud", 1, nil) }, modelregistry.ErrConflict, "force"},
		{"a delete of the model of what serves", func() error { return s.r.DeleteModel(s.ctx, "fraud", nil) }, modelregistry.ErrConflict, "force"},
		{"a delete of no alias", func() error { _, err := s.r.DeleteAlias(s.ctx, "fraud", "none", nil); return err }, modelregistry.ErrNotFound, `"none"`},
		{"a delete of an over-long alias", func() error {
			_, err := s.r.DeleteAlias(s.ctx, "fraud", strings.Repeat("x", 300), nil)
			return err
		}, invalid, "at most 255"},
	}
	for _, a := range []struct{ alias, hint string }{
		{"", "empty"}, {"a b", "letters"}, {"a/b", "letters"}, {"a@b", "letters"}, {"..", "letters"}, {"latest", "reserved"}, {"LaTest", "reserved"}, {"v1", "version 1"}, {"V22", "reserved"},
		{strings.Repeat("x", 256), "at most 255"}, {"a\x00", "NUL"}, {"a\xff", "UTF-8"},
	} {
		mistakes = append(mistakes, mistake{fmt.Sprintf("SetAlias %.20q", a.alias), func() error {
			_, err := s.r.SetAlias(s.ctx, "fraud", a.alias, 1, nil)
			return err
		}, invalid, a.hint})
	}
	s.refused(mistakes)
}

func badSearches(s *trial) {
	shelf(s)
	invalid := modelregistry.ErrInvalid
	var mistakes []mistake
	versions := func(name string, q modelregistry.Query, hint string) {
		mistakes = append(mistakes, mistake{"versions: " + name, func() error { _, err := s.r.SearchVersions(s.ctx, q); return err }, invalid, hint},
			mistake{"versions in a loop: " + name, func() error { _, err := collect(s.r.Versions(s.ctx, q)); return err }, invalid, hint})
	}
	models := func(name string, q modelregistry.Query, hint string) {
		mistakes = append(mistakes, mistake{"models: " + name, func() error { _, err := s.r.SearchModels(s.ctx, q); return err }, invalid, hint},
			mistake{"models in a loop: " + name, func() error { _, err := collect(s.r.Models(s.ctx, q)); return err }, invalid, hint})
	}
	for _, f := range []struct{ filter, hint string }{
		{strings.Repeat("a", 1_000_000), ""},
		{"name = 'a' AND " + strings.Repeat("(", 100_000), ""},
		{strings.Repeat("NOT ", 100_000) + "name = 'a'", ""},
		{"nam = 'a'", "name"},
		{"name", ""},
		{"name = ", ""},
		{"name = 'a", ""},
		{"name = a", ""},
		{"name = 5", ""},
		{"name > 'a'", ""},
		{"name = 'a' name = 'b'", ""},
		{"name = 'a' XOR name = 'b'", ""},
		{"(name = 'a'", ""},
		{"name = 'a')", ""},
		{"AND", ""},
		{"tags.x > 'a'", ""},
		{"tags. = 'a'", ""},
		{"name IN ()", ""},
		{"name IN ('a'", ""},
		{"name = 'a\x00'", ""},
		{"name = 'a\xff'", ""},
		{"creation_timestamp > 'yesterday'", ""},
		{"'a' = name", ""},
		{"1 = 1; DROP TABLE models", ""},
	} {
		versions(fmt.Sprintf("%.40q", f.filter), modelregistry.Query{Filter: f.filter}, f.hint)
		models(fmt.Sprintf("%.40q", f.filter), modelregistry.Query{Filter: f.filter}, f.hint)
	}
	for _, f := range []struct{ filter, hint string }{
		{"stage = 'Prod'", "Production"}, {"version_number = 'a'", ""}, {"metrics.acc = 'high'", ""}, {"metrics.acc LIKE '1%'", ""}, {"semver > '1.x.y'", ""}, {"stage > 'None'", ""},
	} {
		versions(f.filter, modelregistry.Query{Filter: f.filter}, f.hint)
	}
	models("stage", modelregistry.Query{Filter: "stage = 'None'"}, "name")
	models("metrics", modelregistry.Query{Filter: "metrics.acc > 1"}, "")
	for _, q := range []struct {
		q    modelregistry.Query
		hint string
	}{
		{modelregistry.Query{OrderBy: []string{"nam"}}, "name"},
		{modelregistry.Query{OrderBy: []string{"name UP"}}, "ASC or DESC"},
		{modelregistry.Query{OrderBy: []string{"name", "name DESC"}}, "twice"},
		{modelregistry.Query{OrderBy: []string{""}}, "name"},
		{modelregistry.Query{OrderBy: []string{"tags.team"}}, "name"},
		{modelregistry.Query{OrderBy: []string{"name; DROP TABLE models"}}, ""},
		{modelregistry.Query{OrderBy: make([]string, 1000)}, "at most"},
		{modelregistry.Query{PageSize: -1}, "from 1"},
		{modelregistry.Query{PageSize: 10_001}, "10000"},
		{modelregistry.Query{PageToken: "garbage!"}, "token"},
		{modelregistry.Query{PageToken: "AAAA"}, "token"},
		{modelregistry.Query{PageToken: strings.Repeat("A", 1_000_000)}, "token"},
	} {
		versions(fmt.Sprintf("%.60v", q.q), q.q, q.hint)
		models(fmt.Sprintf("%.60v", q.q), q.q, q.hint)
	}
	page, err := s.r.SearchVersions(s.ctx, modelregistry.Query{PageSize: 1})
	s.ok(err)
	versions("the token of another filter", modelregistry.Query{PageToken: page.Next, Filter: "name = 'a'"}, "another search")
	versions("the token of another order", modelregistry.Query{PageToken: page.Next, OrderBy: []string{"name DESC"}}, "another search")
	models("the token of another method", modelregistry.Query{PageToken: page.Next}, "another search")
	for _, q := range []modelregistry.EventQuery{{Version: 1}, {Alias: "x"}, {Model: "a", ModelID: "other"}} {
		mistakes = append(mistakes, mistake{fmt.Sprintf("events: %+v", q), func() error { _, err := collect(s.r.Events(s.ctx, q)); return err }, invalid, "Model"})
	}
	for _, cursor := range []string{"\x00", "\xff", strings.Repeat("x", 1000)} {
		mistakes = append(mistakes, mistake{fmt.Sprintf("Follow %.20q", cursor), func() error { _, err := collect(s.r.Follow(s.ctx, cursor)); return err }, invalid, "cursor"})
	}
	s.refused(mistakes)
}

func badLineage(s *trial) {
	fraud(s)
	invalid := modelregistry.ErrInvalid
	var mistakes []mistake
	for _, c := range []struct {
		name string
		edge modelregistry.Edge
		want error
		hint string
	}{
		{"no type", edge(dataset("a"), "", dataset("b")), invalid, "trained-on"},
		{"a type with spaces", edge(dataset("a"), "Trained On", dataset("b")), invalid, "trained-on"},
		{"no kind", edge(dataset("a"), "from", modelregistry.Node{Name: "b"}), invalid, "dataset"},
		{"a kind in capitals", edge(dataset("a"), "from", modelregistry.Node{Kind: "DATA", Name: "b"}), invalid, "dataset"},
		{"no name", edge(dataset("a"), "from", dataset("")), invalid, "no name"},
		{"a long name", edge(dataset("a"), "from", dataset(strings.Repeat("x", 501))), invalid, "at most 500"},
		{"a control character", edge(dataset("a\x1fb"), "from", dataset("b")), invalid, "control"},
		{"a NUL", edge(dataset("a"), "from", dataset("b\x00")), invalid, "NUL"},
		{"bad UTF-8", edge(dataset("a"), "from", dataset("b\xff")), invalid, "UTF-8"},
		{"a long path", edge(dataset("a"), "from", modelregistry.Node{Kind: "dataset", Name: "b", Path: strings.Repeat("x", 2001)}), invalid, "at most 2000"},
		{"a bad attribute", edge(dataset("a"), "from", modelregistry.Node{Kind: "dataset", Name: "b", Attributes: modelregistry.MapOf(map[string]string{"../x": ""})}), invalid, "path"},
		{"a version that is no number", edge(dataset("a"), "from", modelregistry.Node{Kind: "version", Name: "fraud", Version: "Production"}), invalid, "number"},
		{"a version without number", edge(dataset("a"), "from", modelregistry.Node{Kind: "version", Name: "fraud"}), invalid, "number"},
		{"a version with a leading zero", edge(dataset("a"), "from", modelregistry.Node{Kind: "version", Name: "fraud", Version: "01"}), invalid, ""},
		{"itself", edge(dataset("a"), "from", dataset("a")), invalid, "cycle"},
		{"no version", edge(dataset("a"), "from", version("fraud", 4)), modelregistry.ErrNotFound, "version 4"},
	} {
		mistakes = append(mistakes, mistake{"Link: " + c.name, func() error {
			return s.r.Link(s.ctx, nil, edge(dataset("fine"), "from", dataset("good")), c.edge)
		}, c.want, c.hint})
		if c.hint != "cycle" && c.edge.From.Name == "a" {
			mistakes = append(mistakes, mistake{"Register: " + c.name, func() error {
				_, err := s.r.Register(s.ctx, "fraud", modelregistry.VersionSpec{Lineage: []modelregistry.Origin{{Type: c.edge.Type, Node: c.edge.To}}})
				return err
			}, c.want, c.hint})
		}
	}
	mistakes = append(mistakes,
		mistake{"Link: too many", func() error { return s.r.Link(s.ctx, nil, make([]modelregistry.Edge, 10_001)...) }, invalid, "at most"},
		mistake{"Link: a long reason", func() error {
			return s.r.Link(s.ctx, &modelregistry.ChangeOptions{Reason: strings.Repeat("x", 5001)}, edge(dataset("a"), "from", dataset("b")))
		}, invalid, "at most 5000"},
		mistake{"a version from itself", func() error {
			_, err := s.r.Register(s.ctx, "fraud", modelregistry.VersionSpec{Lineage: []modelregistry.Origin{{Type: "from", Node: version("fraud", 4)}}})
			return err
		}, modelregistry.ErrNotFound, "version 4"},
		mistake{"Lineage of nothing", func() error { _, err := s.r.Lineage(s.ctx, modelregistry.Node{}, nil); return err }, invalid, "kind"})
	s.refused(mistakes)
}

func goodValues(s *trial) {
	name, key := strings.Repeat("é", 256), strings.Repeat("k", 250)
	spec := modelregistry.VersionSpec{
		Description: strings.Repeat("✓", 5000), Tags: map[string]string{key: strings.Repeat("v", 100_000)}, Params: map[string]string{key: strings.Repeat("p", 6000)},
		Metrics: map[string]float64{key: math.MaxFloat64}, Source: strings.Repeat("s", 500), RunID: strings.Repeat("r", 250),
		Aliases: []string{strings.Repeat("a", 255), "123", "v1a", "latest1"}, Reason: strings.Repeat("w", 5000),
		Semver: "1.0.0-" + strings.Repeat("a", 122),
	}
	v := s.add(name, spec)
	got := s.version(name, 1)
	equal(s, "as read", text(got), text(v))
	equal(s, "tags", text(got.Tags), text(spec.Tags))
	equal(s, "aliases", got.Aliases.Len(), 4)
	equal(s, "alias", s.names("models:/"+name+"@123"), 1)
	equal(s, "found by a long tag", s.refs(modelregistry.Query{Filter: "tags." + key + " LIKE 'vvv%'"}), name+"/1")
	equal(s, "found by an exact long tag", s.refs(modelregistry.Query{Filter: "tags." + key + " = '" + spec.Tags[key][:400] + "'"}), "")
}

func gatheredTags(s *trial) {
	s.register("fraud", 1)
	set := func(i int) map[string]string {
		return map[string]string{fmt.Sprint("tag", i): strings.Repeat("x", 100_000)}
	}
	version := func(i int) func() error {
		return func() error {
			_, err := s.r.UpdateVersion(s.ctx, "fraud", 1, modelregistry.VersionPatch{SetTags: set(i)})
			return err
		}
	}
	model := func(i int) func() error {
		return func() error {
			_, err := s.r.UpdateModel(s.ctx, "fraud", modelregistry.ModelPatch{SetTags: set(i)})
			return err
		}
	}
	for i := range 4 {
		s.ok(version(i)())
		s.ok(model(i)())
	}
	s.refused([]mistake{
		{"a fifth of a version", version(4), modelregistry.ErrInvalid, "in all"},
		{"a fifth of a model", model(4), modelregistry.ErrInvalid, "in all"},
	})
	s.ok(version(3)())
}

func controlNames(s *trial) {
	var mistakes []mistake
	for _, name := range []string{"a\nb", "a\tb", "a\rb", "\x1b[31mred", "a\u0085b", "a\u2028b", "\u202egnp.exe", "a\u2066b", "a\x7f"} {
		mistakes = append(mistakes, mistake{fmt.Sprintf("a model %q", name), func() error {
			_, err := s.r.CreateModel(s.ctx, name, modelregistry.ModelSpec{})
			return err
		}, modelregistry.ErrInvalid, "control character"})
	}
	s.refused(mistakes)
}
