package registrytest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

var factPromises = []promise{
	{"what a version is registered with is kept as it was", factsKept},
	{"the event of the registration has the digests of the facts", factsTold},
	{"facts outlive a change of the model's name, and go with the version and the model", factsGo},
	{"a copy has the facts, and neither envelopes nor endpoints", factsCopied},
	{"the commit that made a version is in its lineage", factsCommit},
	{"secrets are masked in the provenance", factsMasked},
	{"an envelope is kept once, and only with the version that it was made for", factsEnvelopes},
	{"envelopes are bounded by who adds them, and can be removed for a reason", factsEnvelopesBounded},
	{"envelopes that many add at once are all kept", factsEnvelopeRace},
	{"deployments are recorded, changed and ended, in the history and the lineage", factsDeployments},
	{"a deployment whose data trained the version is recorded without a cycle", factsFeedback},
	{"BumpAuto follows the change of the signature", factsAutoBump},
	{"a bump that goes less far than the signature is refused, with what it needs", factsSmallBump},
	{"an override of the bump needs a reason, which the history keeps", factsOverride},
	{"facts that are none are refused", factsMistakes},
}

const tokenValue = "hunter2"

func columnsOf(columns ...string) *modelregistry.Signature {
	s := new(modelregistry.Signature)
	for _, c := range columns {
		name, optional := strings.CutSuffix(c, "?")
		s.Inputs = append(s.Inputs, modelregistry.Column{Name: name, Type: modelregistry.TypeDouble, Optional: optional})
	}
	return s
}

func fullSpec() modelregistry.VersionSpec {
	return modelregistry.VersionSpec{
		Semver: "1.2.0",
		Signature: &modelregistry.Signature{
			Inputs: modelregistry.Schema{
				{Name: "grüße", Type: modelregistry.TypeDouble},
				{Name: "o", Optional: true, Type: modelregistry.ObjectType{Properties: []modelregistry.Column{
					{Name: "a", Type: modelregistry.ArrayType{Items: modelregistry.TypeString}},
					{Name: "m", Type: modelregistry.MapType{Values: modelregistry.AnyType{}}, Optional: true}}}},
			},
			Outputs: modelregistry.Schema{{Type: modelregistry.TensorType{DType: "float32", Shape: []int{-1, 3}}}},
			Params:  []modelregistry.Param{{Name: "temperature", Type: modelregistry.TypeDouble, Default: 1e-05}},
		},
		Provenance: &modelregistry.Provenance{
			Revision: "4d1c5e", RevisionTime: epoch, Branch: "main", Remote: "git.example.com/team/iris", Dirty: true,
			Program: "example.com/iris/train", Module: modelregistry.Module{Path: "example.com/iris", Version: "(devel)"},
			Modules:   []modelregistry.Module{{Path: "example.com/x", Version: "v1.0.0", Sum: "h1:abc"}},
			GoVersion: "go1.26.0", OS: "linux", Arch: "amd64", Command: []string{"train", "-epochs", "3"}, Warnings: []string{"dirty"},
		},
		Serving: &modelregistry.Serving{
			Image: "registry.example.com:5000/team/server:1.2", Ports: []int{8080}, ContentTypes: []string{"application/json", "text/csv; charset=utf-8"},
			ResponseTypes: []string{"application/json"}, InstanceTypes: []string{"ml.m5.large", "n1-standard-4"},
			Environment:  map[string]string{"LOG_LEVEL": "info", "MAX_TOKENS": "128", "TOKEN_FILE": "/run/secrets/token"},
			Resources:    modelregistry.Resources{MilliCPU: 500, Memory: 2 << 30, GPUs: 1},
			PredictRoute: "/v1/models/{name}:predict", HealthRoute: "/health",
		},
	}
}

// facts reads what is known of a version.
func (s *trial) facts(v *modelregistry.Version) *modelregistry.Facts {
	s.Helper()
	f, err := s.r.Facts(s.ctx, v)
	s.ok(err)
	return f
}

// registerSpec registers a version, and skips the trial if the registry cannot keep what the spec says.
func (s *trial) registerSpec(spec modelregistry.VersionSpec) *modelregistry.Version {
	s.Helper()
	v, err := s.r.Register(s.ctx, "fraud", spec)
	s.ok(err)
	return v
}

// given is the JSON of the facts that a version is registered with.
func given(f *modelregistry.Facts) string { return text([]any{f.Signature, f.Provenance, f.Serving}) }

func factsKept(s *trial) {
	spec := fullSpec()
	v := s.registerSpec(spec)
	f := s.facts(v)
	equal(s, "facts", given(f), text([]any{spec.Signature, spec.Provenance, spec.Serving}))
	equal(s, "kinds", strings.Join(slices.Sorted(maps.Keys(f.Digests)), " "), "provenance serving signature")
	bare := s.registerSpec(modelregistry.VersionSpec{})
	f = s.facts(bare)
	if f.Signature != nil || f.Provenance != nil || f.Serving != nil || len(f.Digests)+len(f.Envelopes)+len(f.Endpoints) != 0 {
		s.Fatalf("version without facts: %+v", f)
	}
	found, err := s.r.Resolve(s.ctx, "models:/fraud/1.2.0")
	s.ok(err)
	equal(s, "facts of what was resolved", given(s.facts(found)), given(s.facts(v)))
}

func factsTold(s *trial) {
	v := s.registerSpec(fullSpec())
	f := s.facts(v)
	for _, e := range s.events(modelregistry.EventQuery{Model: "fraud", Version: 1}) {
		if e.Kind == modelregistry.VersionRegistered {
			var told map[string]string
			s.ok(json.Unmarshal(e.After["facts"], &told))
			equal(s, "digests", fmt.Sprint(told), fmt.Sprint(f.Digests))
			equal(s, "how many", len(told), 3)
		}
	}
	again := s.registerSpec(modelregistry.VersionSpec{Signature: fullSpec().Signature})
	equal(s, "digest of an equal signature", s.facts(again).Digests["signature"], f.Digests["signature"])
}

func factsGo(s *trial) {
	v1, v2 := s.registerSpec(fullSpec()), s.registerSpec(modelregistry.VersionSpec{Signature: columnsOf("a")})
	s.ok(s.r.RecordDeployment(s.ctx, "fraud", 1, modelregistry.Endpoint{Name: "api"}, nil))
	s.ok(s.r.AddEnvelope(s.ctx, v1, envelopeOf("x"), nil))
	before := text(s.facts(v1))
	_, err := s.r.RenameModel(s.ctx, "fraud", "scoring", nil)
	s.ok(err)
	renamed := s.version("scoring", 1)
	equal(s, "facts after the change of the name", text(s.facts(renamed)), before)
	s.ok(s.r.DeleteVersion(s.ctx, "scoring", 1, &modelregistry.DeleteOptions{Force: true}))
	equal(s, "facts of the deleted version", text(s.facts(v1)), text(&modelregistry.Facts{Digests: map[string]string{}}))
	if s.facts(v2).Signature == nil {
		s.Fatal("the other version has lost its signature")
	}
	s.ok(s.r.DeleteModel(s.ctx, "scoring", nil))
	equal(s, "facts of the deleted model", text(s.facts(v2)), text(&modelregistry.Facts{Digests: map[string]string{}}))
}

func factsCopied(s *trial) {
	v := s.registerSpec(fullSpec())
	s.ok(s.r.AddEnvelope(s.ctx, v, envelopeOf("x"), nil))
	s.ok(s.r.RecordDeployment(s.ctx, "fraud", 1, modelregistry.Endpoint{Name: "api"}, nil))
	c, err := s.r.CopyVersion(s.ctx, "models:/fraud/1", "prod", nil)
	s.ok(err)
	f := s.facts(c)
	equal(s, "facts of the copy", given(f), given(s.facts(v)))
	equal(s, "digests of the copy", fmt.Sprint(f.Digests), fmt.Sprint(s.facts(v).Digests))
	if len(f.Envelopes)+len(f.Endpoints) != 0 {
		s.Fatalf("the copy has what was not its own: %+v", f)
	}
	// A copy's semantic version is the original's, and what comes after is measured by it.
	_, err = s.r.Register(s.ctx, "prod", modelregistry.VersionSpec{Semver: "1.2.1", Signature: columnsOf("new")})
	s.fails(err, modelregistry.ErrInvalid, "2.0.0 or above")
	files, err := s.r.Register(s.ctx, "prod", modelregistry.VersionSpec{CopyOf: "models:/fraud/1"})
	s.ok(err)
	equal(s, "facts of a version that only has the files of another", len(s.facts(files).Digests), 0)
}

func factsCommit(s *trial) {
	code := modelregistry.Node{Kind: modelregistry.CodeCommit, Name: "git.example.com/team/iris", Version: "4d1c5e"}
	v := s.registerSpec(fullSpec())
	g := s.lineage(v.Node(), nil)
	equal(s, "edges", fmt.Sprint(g.Edges), fmt.Sprint([]modelregistry.Edge{edge(v.Node(), modelregistry.ProducedBy, code)}))
	spec := fullSpec()
	spec.Semver, spec.Lineage = "", []modelregistry.Origin{{Type: modelregistry.ProducedBy, Node: code}}
	again := s.registerSpec(spec)
	equal(s, "edges, if the caller said it too", len(s.lineage(again.Node(), &modelregistry.LineageOptions{DownDepth: -1}).Edges), 1)
	nameless := s.registerSpec(modelregistry.VersionSpec{Provenance: &modelregistry.Provenance{Revision: "abc"}})
	equal(s, "edges without a repository", len(s.lineage(nameless.Node(), nil).Edges), 0)
}

func factsMasked(s *trial) {
	v := s.registerSpec(modelregistry.VersionSpec{Provenance: &modelregistry.Provenance{
		Revision: "abc", Remote: "https://ada:" + tokenValue + "@git.example.com/iris",
		Command: []string{"train", "--password", tokenValue, "-token=" + tokenValue, "API_KEY=" + tokenValue, "postgres://u:" + tokenValue + "@db/x?sslmode=off", "-epochs", "3"},
	}})
	all := text(s.facts(v)) + text(s.events(modelregistry.EventQuery{Model: "fraud"})) + text(s.lineage(v.Node(), nil))
	if strings.Contains(all, tokenValue) {
		s.Fatalf("a secret is kept: %s", all)
	}
	equal(s, "command", strings.Join(s.facts(v).Provenance.Command, " "),
		"train --password *** -token=*** API_KEY=*** postgres://***@db/x?sslmode=off -epochs 3")
}

func envelopeOf(payload string) modelregistry.Envelope {
	return modelregistry.Envelope{PayloadType: "text/plain", Payload: []byte(payload), Signatures: []modelregistry.EnvelopeSignature{{KeyID: "k", Sig: []byte{0, 255}}}}
}

func factsEnvelopes(s *trial) {
	v := s.registerSpec(modelregistry.VersionSpec{})
	for _, payload := range []string{"b", "a", "b", "\x00\xff"} {
		s.ok(s.r.AddEnvelope(s.ctx, v, envelopeOf(payload), &modelregistry.ChangeOptions{Reason: "audit"}))
	}
	equal(s, "envelopes", text(s.facts(v).Envelopes), text([]modelregistry.Envelope{envelopeOf("b"), envelopeOf("a"), envelopeOf("\x00\xff")}))
	events := s.events(modelregistry.EventQuery{Model: "fraud", Version: 1})
	equal(s, "events", len(events), 4)
	equal(s, "event", events[3].String(), "version.signed fraud/1 by ada: audit")

	before := s.state()
	other := *v
	other.ModelID = "another"
	s.fails(s.r.AddEnvelope(s.ctx, &other, envelopeOf("c"), nil), modelregistry.ErrConflict, "is another one now")
	other = *v
	other.Digest = "sha256:00"
	s.fails(s.r.AddEnvelope(s.ctx, &other, envelopeOf("c"), nil), modelregistry.ErrConflict, "is another one now")
	other = *v
	other.Number = 2
	s.fails(s.r.AddEnvelope(s.ctx, &other, envelopeOf("c"), nil), modelregistry.ErrNotFound, "version 2")
	s.fails(s.r.AddEnvelope(s.ctx, v, modelregistry.Envelope{}, nil), modelregistry.ErrInvalid, "lacks")
	s.unchanged(before)
}

func factsEnvelopesBounded(s *trial) {
	v := s.registerSpec(modelregistry.VersionSpec{})
	with := func(n, size int) modelregistry.Envelope {
		e := modelregistry.Envelope{PayloadType: "text/plain", Payload: []byte("x")}
		for range n {
			e.Signatures = append(e.Signatures, modelregistry.EnvelopeSignature{Sig: make([]byte, size)})
		}
		return e
	}
	large := with(1, 64)
	large.Payload = make([]byte, 50_000)
	add := func(e modelregistry.Envelope) func() error {
		return func() error { return s.r.AddEnvelope(s.ctx, v, e, nil) }
	}
	s.refused([]mistake{
		{"very many signatures", add(with(6500, 64)), modelregistry.ErrInvalid, "6500 signatures, at most 8"},
		{"a signature too many", add(with(9, 64)), modelregistry.ErrInvalid, "at most 8"},
		{"a signature too long", add(with(1, 8193)), modelregistry.ErrInvalid, "from 1 to 8192"},
		{"no signature", add(with(1, 0)), modelregistry.ErrInvalid, "from 1 to 8192"},
		{"an envelope too long", add(large), modelregistry.ErrInvalid, "at most 65536"},
	})
	// Who adds junk without end fills a part of the room.
	mallory := s.r.As("mallory")
	for i := range 25 {
		s.ok(mallory.AddEnvelope(s.ctx, v, envelopeOf(fmt.Sprint("junk ", i)), nil))
	}
	s.fails(mallory.AddEnvelope(s.ctx, v, envelopeOf("more"), nil), modelregistry.ErrConflict, `25 envelopes by "mallory"`)
	large.Payload = make([]byte, 40_000)
	for i := range 4 {
		large.Payload[0] = byte(i)
		s.ok(s.r.As("eve").AddEnvelope(s.ctx, v, large, nil))
	}
	large.Payload[0] = 9
	s.fails(s.r.As("eve").AddEnvelope(s.ctx, v, large, nil), modelregistry.ErrConflict, "262144")
	s.ok(s.r.AddEnvelope(s.ctx, v, envelopeOf("good"), nil))

	junk := s.facts(v).Envelopes[0]
	equal(s, "who added it", junk.AddedBy, "mallory")
	equal(s, "when it was added", junk.Added.IsZero(), false)
	before := s.state()
	s.fails(s.r.RemoveEnvelope(s.ctx, v, junk, nil), modelregistry.ErrInvalid, "Reason")
	s.fails(s.r.RemoveEnvelope(s.ctx, v, envelopeOf("none"), &modelregistry.ChangeOptions{Reason: "x"}), modelregistry.ErrNotFound, "envelope")
	s.unchanged(before)
	s.ok(s.r.RemoveEnvelope(s.ctx, v, junk, &modelregistry.ChangeOptions{Reason: "nobody's"}))
	s.fails(s.r.RemoveEnvelope(s.ctx, v, junk, &modelregistry.ChangeOptions{Reason: "again"}), modelregistry.ErrNotFound, "envelope")
	equal(s, "event", s.last("fraud").String(), "version.unsigned fraud/1 by ada: nobody's")
	equal(s, "envelopes", len(s.facts(v).Envelopes), 29)
	s.ok(mallory.AddEnvelope(s.ctx, v, envelopeOf("one more"), nil))
}

func factsEnvelopeRace(s *trial) {
	v := s.registerSpec(modelregistry.VersionSpec{})
	const n = 16
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { errs[i] = s.r.AddEnvelope(s.ctx, v, envelopeOf(fmt.Sprint(i)), nil) })
	}
	wg.Wait()
	s.ok(errors.Join(errs...))
	equal(s, "envelopes", len(s.facts(v).Envelopes), n)
}

func factsDeployments(s *trial) {
	v := s.registerSpec(modelregistry.VersionSpec{})
	s.registerSpec(modelregistry.VersionSpec{})
	since := epoch.Add(-time.Hour)
	for _, at := range []modelregistry.Endpoint{
		{Name: "fraud-api", Target: "us", Traffic: 10, Since: since, URL: "https://us.example.com"},
		{Name: "fraud-api", Target: "eu", Traffic: 100},
		{Name: "fraud-api", Target: "us", Traffic: 50, URL: "https://us.example.com"}, // more of it
		{Name: "fraud-api", Target: "us", Traffic: 50, URL: "https://us.example.com"}, // the same again
	} {
		s.ok(s.r.RecordDeployment(s.ctx, "fraud", 1, at, &modelregistry.ChangeOptions{Reason: "canary"}))
	}
	now := s.facts(v).Endpoints
	equal(s, "endpoints", len(now), 2)
	equal(s, "the first", now[0].Target, "eu")
	equal(s, "the second", text(now[1]), text(modelregistry.Endpoint{Name: "fraud-api", Target: "us", Traffic: 50, Since: since, URL: "https://us.example.com"}))
	us := modelregistry.Node{Kind: modelregistry.Deployment, Name: "fraud-api", Version: "us"}
	g := s.lineage(us, nil)
	equal(s, "nodes", len(g.Nodes), 2)
	equal(s, "edge", fmt.Sprint(g.Edges[0].Type, " ", g.Edges[0].To), "serves version fraud/1")
	equal(s, "address", g.Root.Path, "https://us.example.com")

	for _, err := range []error{s.r.DeleteVersion(s.ctx, "fraud", 1, nil), s.r.DeleteModel(s.ctx, "fraud", nil)} {
		s.fails(err, modelregistry.ErrConflict, "is deployed")
	}
	equal(s, "what rules leave", text(s.plan("fraud", modelregistry.RetentionRules{KeepLast: 1}).Keep[0]), text(modelregistry.Kept{Number: 1, Why: []string{"deployed"}}))

	s.ok(s.r.EndDeployment(s.ctx, "fraud", 1, "fraud-api", "us", nil))
	s.fails(s.r.EndDeployment(s.ctx, "fraud", 1, "fraud-api", "us", nil), modelregistry.ErrNotFound, "fraud-api/us")
	s.fails(s.r.EndDeployment(s.ctx, "fraud", 2, "fraud-api", "eu", nil), modelregistry.ErrNotFound, "fraud-api/eu")
	equal(s, "endpoints after one ended", len(s.facts(v).Endpoints), 1)
	s.ok(s.r.EndDeployment(s.ctx, "fraud", 1, "fraud-api", "eu", nil))
	equal(s, "endpoints after both ended", len(s.facts(v).Endpoints), 0)
	var kinds []string
	for _, e := range s.events(modelregistry.EventQuery{Model: "fraud", Version: 1})[1:] {
		if at := e.Endpoint(); at == nil || !strings.Contains(e.String(), " at fraud-api/"+at.Target) {
			s.Fatalf("event %q does not name its endpoint", e)
		}
		kinds = append(kinds, fmt.Sprintf("%s %d %d %d", e.Kind, len(e.Before), len(e.After), len(e.Edges)))
	}
	equal(s, "events", strings.Join(kinds, ", "), "deployment.recorded 0 1 1, deployment.recorded 0 1 1, deployment.recorded 1 1 0, deployment.ended 1 0 0, deployment.ended 1 0 0")
	s.ok(s.r.DeleteVersion(s.ctx, "fraud", 1, nil))
}

func factsFeedback(s *trial) {
	s.registerSpec(modelregistry.VersionSpec{})
	at := modelregistry.Endpoint{Name: "api", Traffic: 100}
	s.ok(s.r.RecordDeployment(s.ctx, "fraud", 1, at, nil))
	s.ok(s.r.Link(s.ctx, nil, edge(dataset("clicks"), modelregistry.DerivedFrom, at.Node())))
	v := s.registerSpec(modelregistry.VersionSpec{Lineage: []modelregistry.Origin{{Type: modelregistry.TrainedOn, Node: dataset("clicks")}}})
	s.ok(s.r.RecordDeployment(s.ctx, "fraud", 2, at, nil))
	equal(s, "endpoints", len(s.facts(v).Endpoints), 1)
	equal(s, "edges", len(s.lineage(v.Node(), nil).Edges), 3) // to the data, to the endpoint, to version 1
}

func factsAutoBump(s *trial) {
	for _, step := range []struct {
		spec modelregistry.VersionSpec
		want string
	}{
		{modelregistry.VersionSpec{Signature: columnsOf("a")}, "1.0.0"},
		{modelregistry.VersionSpec{Signature: columnsOf("a")}, "1.0.1"},            // trained anew
		{modelregistry.VersionSpec{Signature: columnsOf("a", "b?")}, "1.1.0"},      // takes more
		{modelregistry.VersionSpec{}, "1.1.1"},                                     // nobody knows
		{modelregistry.VersionSpec{Signature: columnsOf("a", "b?")}, "1.1.2"},      // as 1.1.0 was
		{modelregistry.VersionSpec{Signature: columnsOf("a", "b?", "c")}, "2.0.0"}, // wants more
		{modelregistry.VersionSpec{Signature: columnsOf("b?", "c", "a")}, "2.0.1"},
	} {
		step.spec.Bump = modelregistry.BumpAuto
		equal(s, "semantic version", s.registerSpec(step.spec).Semver.String(), step.want)
	}
	// Below 1.0.0 the numbers count one step more. Prereleases promise nothing.
	for _, step := range []struct{ model, semver, columns, want string }{
		{"young", "0.2.0", "a", "0.2.0"}, {"young", "", "a b?", "0.2.1"}, {"young", "", "a b", "0.3.0"},
		{"rc", "1.0.0", "a", "1.0.0"}, {"rc", "2.0.0-rc.1", "a b", "2.0.0-rc.1"}, {"rc", "", "a b", "2.0.0"}, {"rc", "", "a b", "2.0.1"},
	} {
		spec := modelregistry.VersionSpec{Semver: step.semver, Signature: columnsOf(strings.Fields(step.columns)...)}
		if step.semver == "" {
			spec.Bump = modelregistry.BumpAuto
		}
		v, err := s.r.Register(s.ctx, step.model, spec)
		s.ok(err)
		equal(s, "semantic version", v.Semver.String(), step.want)
	}
}

func factsSmallBump(s *trial) {
	s.registerSpec(modelregistry.VersionSpec{Semver: "1.4.0", Signature: columnsOf("a")})
	s.registerSpec(modelregistry.VersionSpec{Semver: "2.0.0", Signature: columnsOf("a", "b")})
	before := s.state()
	for _, c := range []struct {
		semver  string
		bump    modelregistry.Bump
		columns *modelregistry.Signature
		hint    string
	}{
		{"", modelregistry.BumpMinor, columnsOf("a", "b", "c"), `needs a major bump, 3.0.0 or above`},
		{"", modelregistry.BumpPatch, columnsOf("a", "b", "c"), `"c" (double) is new and required`},
		{"", modelregistry.BumpPatch, columnsOf("a", "b", "c?"), `changes that of version 2 (2.0.0), which needs a minor bump, 2.1.0 or above`},
		{"2.0.1", "", columnsOf("a", "b?"), "2.1.0 or above"},
		{"2.1.0-rc.1", "", columnsOf("a", "b", "c"), "3.0.0 or above"},
		{"1.4.1", "", columnsOf("a", "b"), "breaks callers of version 1 (1.4.0), which needs a major bump, 2.0.0 or above"}, // of its own line
	} {
		_, err := s.r.Register(s.ctx, "fraud", modelregistry.VersionSpec{Semver: c.semver, Bump: c.bump, Signature: c.columns})
		s.fails(err, modelregistry.ErrInvalid, c.hint)
		var small *modelregistry.SmallBump
		if !errors.As(err, &small) || small.Least.IsZero() || len(small.Changes) == 0 {
			s.Fatalf("error %v is not a *SmallBump that says what it needs", err)
		}
	}
	s.unchanged(before)
	for semver, columns := range map[string]*modelregistry.Signature{
		"1.4.1": columnsOf("a"), "1.5.0": columnsOf("a", "b?"), "3.0.0-rc.1": columnsOf("x"), "4.0.0": columnsOf("y"), "1.0.0": columnsOf("z"),
	} {
		s.registerSpec(modelregistry.VersionSpec{Semver: semver, Signature: columns})
	}
	s.registerSpec(modelregistry.VersionSpec{Signature: columnsOf("q")}) // without a semantic version nothing is promised
	equal(s, "patch without a signature", s.registerSpec(modelregistry.VersionSpec{Bump: modelregistry.BumpPatch}).Semver.String(), "4.0.1")
}

func factsOverride(s *trial) {
	s.registerSpec(modelregistry.VersionSpec{Semver: "1.0.0", Signature: columnsOf("a")})
	spec := modelregistry.VersionSpec{Bump: modelregistry.BumpPatch, Signature: columnsOf("b"), AllowSmallBump: true}
	_, err := s.r.Register(s.ctx, "fraud", spec)
	s.fails(err, modelregistry.ErrInvalid, "AllowSmallBump needs a Reason")
	spec.Reason = "nobody calls it yet"
	equal(s, "semantic version", s.registerSpec(spec).Semver.String(), "1.0.1")
	e := s.events(modelregistry.EventQuery{Model: "fraud", Version: 2})[0]
	equal(s, "reason", e.Reason, "nobody calls it yet")
	equal(s, "what was needed", string(e.After["overridden_bump"]), `"major"`)
}

func factsMistakes(s *trial) {
	s.registerSpec(modelregistry.VersionSpec{Semver: "1.0.0", Signature: columnsOf("a")})
	register := func(spec modelregistry.VersionSpec) func() error {
		return func() error { _, err := s.r.Register(s.ctx, "fraud", spec); return err }
	}
	serving := func(v modelregistry.Serving) func() error { return register(modelregistry.VersionSpec{Serving: &v}) }
	deploy := func(at modelregistry.Endpoint) func() error {
		return func() error { return s.r.RecordDeployment(s.ctx, "fraud", 1, at, nil) }
	}
	invalid := modelregistry.ErrInvalid
	s.refused([]mistake{
		{"version made by hand", func() error {
			_, err := s.r.Facts(s.ctx, &modelregistry.Version{Model: "fraud", Number: 1})
			return err
		}, invalid, "no ModelID"},
		{"column twice", register(modelregistry.VersionSpec{Signature: columnsOf("a", "b", "a")}), invalid, `column "a": invalid: it is there twice`},
		{"empty signature", register(modelregistry.VersionSpec{Signature: &modelregistry.Signature{}}), invalid, "declares no inputs"},
		{"unknown bump", register(modelregistry.VersionSpec{Bump: "huge"}), invalid, "not one of"},
		{"NUL in the provenance", register(modelregistry.VersionSpec{Provenance: &modelregistry.Provenance{Branch: "\x00"}}), invalid, "NUL"},
		{"image", serving(modelregistry.Serving{Image: "Not An Image"}), invalid, "container image"},
		{"digest of an image", serving(modelregistry.Serving{Image: "a@sha256:12"}), invalid, "container image"},
		{"port", serving(modelregistry.Serving{Ports: []int{0}}), invalid, "1 to 65535"},
		{"port twice", serving(modelregistry.Serving{Ports: []int{80, 80}}), invalid, "twice"},
		{"media type", serving(modelregistry.Serving{ContentTypes: []string{"json"}}), invalid, "application/json"},
		{"answer's media type", serving(modelregistry.Serving{ResponseTypes: []string{"a/b; c"}}), invalid, "media type"},
		{"instance", serving(modelregistry.Serving{InstanceTypes: []string{"big one"}}), invalid, "ml.m5.large"},
		{"variable", serving(modelregistry.Serving{Environment: map[string]string{"A-B": ""}}), invalid, "letters, digits and underscores"},
		{"secret by name", serving(modelregistry.Serving{Environment: map[string]string{"DB_PASSWORD": "x"}}), invalid, "DB_PASSWORD: invalid: it looks like a secret"},
		{"secret by value", serving(modelregistry.Serving{Environment: map[string]string{"DB": "postgres://u:p@db/x"}}), invalid, "looks like a secret"},
		{"negative memory", serving(modelregistry.Serving{Resources: modelregistry.Resources{Memory: -1}}), invalid, "less than nothing"},
		{"route", serving(modelregistry.Serving{PredictRoute: "predict"}), invalid, "predict route"},
		{"endpoint without a name", deploy(modelregistry.Endpoint{}), invalid, "it has no name"},
		{"traffic", deploy(modelregistry.Endpoint{Name: "api", Traffic: 101}), invalid, "from 0 to 100"},
		{"traffic that is no number", deploy(modelregistry.Endpoint{Name: "api", Traffic: math.NaN()}), invalid, "from 0 to 100"},
		{"deployment of no version", func() error {
			return s.r.RecordDeployment(s.ctx, "fraud", 9, modelregistry.Endpoint{Name: "api"}, nil)
		}, modelregistry.ErrNotFound, "version 9"},
		{"deployment of no model", func() error {
			return s.r.RecordDeployment(s.ctx, "none", 1, modelregistry.Endpoint{Name: "api"}, nil)
		}, modelregistry.ErrNotFound, "none"},
	})
}
