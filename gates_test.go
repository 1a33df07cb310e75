package modelregistry_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/blob"
)

func gatedRegistry(t *testing.T, blobs modelregistry.Blobs, gates ...modelregistry.GateRule) modelregistry.Registry {
	r, err := modelregistry.New(t.Context(), memory.New(), blobs, &modelregistry.Options{Actor: "ada", Gates: gates})
	require.NoError(t, err)
	return r
}

func always(verdict modelregistry.Verdict) modelregistry.Gate {
	return modelregistry.GateFunc(func(context.Context, *modelregistry.GateView) (modelregistry.Verdict, error) { return verdict, nil })
}

func TestGatesThatAreNoneAreRefused(t *testing.T) {
	tag := modelregistry.TagPresent("validated")
	for hint, rules := range map[string][]modelregistry.GateRule{
		"has no Gate":                {{}},
		"no Name":                    {{Gate: always(modelregistry.Verdict{})}},
		"gate 2":                     {{Gate: tag}, {Name: "x"}},
		"contains / or :":            {{Gate: tag, Model: "a/b"}},
		"not one of None":            {{Gate: tag, Stage: "Prod"}},
		"Staging and Production":     {{Gate: tag, Stage: modelregistry.Archived}},
		"at most 256":                {{Gate: tag, Name: strings.Repeat("x", 257)}},
		`is called "tag validated"`:  {{Gate: tag, Model: "fraud"}, {Gate: tag, Stage: modelregistry.Staging}},
		"not a number (NaN)":         {{Gate: modelregistry.MetricAtLeast("accuracy", math.NaN())}},
		"metric name: invalid":       {{Gate: modelregistry.MetricAtMost("", 1)}},
		"epsilon -1":                 {{Gate: modelregistry.MetricNotWorse("accuracy", -1, true)}},
		"epsilon +Inf":               {{Gate: modelregistry.MetricNotWorse("accuracy", math.Inf(1), true)}},
		"limit of a metric: invalid": {{Gate: modelregistry.MetricNotWorse("accuracy", math.NaN(), true)}},
		"tag name":                   {{Gate: modelregistry.TagPresent("a*")}},
		"more than nothing":          {{Gate: modelregistry.MinTimeInStaging(0)}},
		"0 approvals":                {{Gate: modelregistry.Approvals(0)}},
		"-1 approvals":               {{Gate: modelregistry.Approvals(-1, "ann")}},
		"2 approvals of 1":           {{Gate: modelregistry.Approvals(2, "ann")}},
		"named twice":                {{Gate: modelregistry.Approvals(1, "ann", "ann")}},
	} {
		_, err := modelregistry.New(t.Context(), memory.New(), nil, &modelregistry.Options{Gates: rules})
		require.ErrorIs(t, err, modelregistry.ErrInvalid, hint)
		require.ErrorContains(t, err, hint)
	}
	gatedRegistry(t, nil, modelregistry.GateRule{Gate: tag, Model: "fraud"}, modelregistry.GateRule{Gate: tag, Model: "risk"},
		modelregistry.GateRule{Gate: tag, Model: "loans", Stage: "staging"}, modelregistry.GateRule{Gate: tag, Model: "loans", Stage: "production"},
		modelregistry.GateRule{Gate: tag, Name: "another"})
}

// A file that is not what was registered keeps the version out, and one that is gone does.
func TestFilesVerified(t *testing.T) {
	for what, damage := range map[string]func(path string) error{
		"altered": func(path string) error { return os.WriteFile(path, []byte("SERVE"), 0o600) },
		"gone":    os.Remove,
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			blobs, err := blob.Open(t.Context(), "file://"+filepath.ToSlash(dir))
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, blobs.Close()) })
			r := gatedRegistry(t, blobs, modelregistry.GateRule{Gate: modelregistry.FilesVerified()})
			v, err := r.Register(t.Context(), "fraud", modelregistry.VersionSpec{Files: fstest.MapFS{"weights": {Data: []byte("serve")}}})
			require.NoError(t, err)
			require.NoError(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
				if err == nil && e.Type().IsRegular() {
					err = os.Chmod(path, 0o600)
				}
				if err == nil && e.Type().IsRegular() {
					err = damage(path)
				}
				return err
			}))
			_, err = r.Promote(t.Context(), "fraud", v.Number, modelregistry.Production, nil)
			var refused *modelregistry.Refused
			require.ErrorAs(t, err, &refused)
			require.Contains(t, refused.Verdicts[0].Reason, "sha256:")
			p, err := r.Promote(t.Context(), "fraud", v.Number, modelregistry.Production, &modelregistry.PromoteOptions{
				Waive: map[string]string{"files verified": "restored by hand at noon"},
			})
			require.NoError(t, err)
			require.Equal(t, modelregistry.Production, p.Version.Stage)
		})
	}
}

type preparer struct {
	prepare func() (any, error)
	check   func(*modelregistry.GateView) modelregistry.Verdict
}

func (preparer) String() string { return "prepared" }
func (p preparer) Prepare(context.Context, modelregistry.Resolver, *modelregistry.Version) (any, error) {
	return p.prepare()
}
func (p preparer) Check(_ context.Context, view *modelregistry.GateView) (modelregistry.Verdict, error) {
	return p.check(view), nil
}

// What a gate prepares is what it is asked with; what it cannot prepare is a fault, that a waiver turns into a refusal.
func TestPreparer(t *testing.T) {
	fault := errors.New("the scanner is down")
	var state any
	var failure error
	gate := preparer{
		prepare: func() (any, error) { return state, failure },
		check: func(view *modelregistry.GateView) modelregistry.Verdict {
			return modelregistry.Verdict{Passed: view.Prepared == "clean"}
		},
	}
	r := gatedRegistry(t, nil, modelregistry.GateRule{Gate: gate})
	_, err := r.Register(t.Context(), "fraud", modelregistry.VersionSpec{})
	require.NoError(t, err)
	promote := func(waive map[string]string) error {
		_, err := r.Promote(t.Context(), "fraud", 1, modelregistry.Staging, &modelregistry.PromoteOptions{Waive: waive})
		return err
	}
	state = "dirty"
	require.ErrorIs(t, promote(nil), modelregistry.ErrConflict)
	failure = fault
	require.ErrorIs(t, promote(nil), fault)
	require.ErrorContains(t, promote(nil), `gate "prepared"`)
	require.NotErrorIs(t, promote(nil), modelregistry.ErrConflict)
	plan, err := r.Plan(t.Context(), "fraud", 1, modelregistry.Staging, &modelregistry.TransitionOptions{Waive: map[string]string{"prepared": "urgent"}})
	require.NoError(t, err)
	require.Equal(t, "prepared: refused: it could not be checked: the scanner is down; waived by ada: urgent", plan.Verdicts[0].String())
	require.NoError(t, promote(map[string]string{"prepared": "urgent"}))
	failure, state = nil, "clean"
	_, err = r.Promote(t.Context(), "fraud", 1, modelregistry.Production, nil)
	require.NoError(t, err)
}

// A version that is deleted and registered anew while a gate prepares is not promoted on the word of the old one.
func TestVersionMadeAnewWhileItsGatesPrepare(t *testing.T) {
	var r modelregistry.Registry
	gate := preparer{
		prepare: func() (any, error) {
			if err := r.DeleteModel(t.Context(), "fraud", nil); err != nil {
				return nil, err
			}
			_, err := r.Register(t.Context(), "fraud", modelregistry.VersionSpec{})
			return nil, err
		},
		check: func(*modelregistry.GateView) modelregistry.Verdict { return modelregistry.Pass("as ever") },
	}
	r = gatedRegistry(t, nil, modelregistry.GateRule{Gate: gate})
	_, err := r.Register(t.Context(), "fraud", modelregistry.VersionSpec{})
	require.NoError(t, err)
	_, err = r.Promote(t.Context(), "fraud", 1, modelregistry.Production, nil)
	require.ErrorIs(t, err, modelregistry.ErrConflict)
	require.ErrorContains(t, err, "made anew")
	v, err := r.Version(t.Context(), "fraud", 1)
	require.NoError(t, err)
	require.Equal(t, modelregistry.None, v.Stage)
}

// Tests of gates make their own views; those have no store behind them.
func TestViewWithoutStore(t *testing.T) {
	v := &modelregistry.Version{Model: "fraud", Number: 3, Stage: modelregistry.Staging, StageSince: time.Unix(0, 0), Digest: "sha256:x"}
	view := &modelregistry.GateView{Candidate: v, Stage: modelregistry.Production, Time: time.Unix(7200, 0)}
	verdict, err := modelregistry.MinTimeInStaging(time.Hour).Check(t.Context(), view)
	require.NoError(t, err)
	require.True(t, verdict.Passed)
	_, err = view.Facts(v)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	_, err = view.Manifest(v)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	for _, err := range view.Events() {
		require.ErrorIs(t, err, errors.ErrUnsupported)
	}
	verdict, err = modelregistry.FilesVerified().Check(t.Context(), view)
	require.NoError(t, err)
	require.False(t, verdict.Passed)
}

// However many gates refuse, and whatever they say, the message stays one that people read.
func TestRefusalsStayReadable(t *testing.T) {
	refused := &modelregistry.Refused{Model: strings.Repeat("m", 256), Version: 1, Stage: modelregistry.Production}
	for range 100 {
		refused.Verdicts = append(refused.Verdicts, modelregistry.Verdict{Gate: strings.Repeat("g", 256), Reason: strings.Repeat("r", 5000)})
	}
	require.Less(t, len(refused.Error()), 1500)
	require.Contains(t, refused.Error(), "and 96 more gates refuse")
	require.ErrorIs(t, refused, modelregistry.ErrConflict)
}

func TestGatesAboutFacts(t *testing.T) {
	r := gatedRegistry(t, nil, modelregistry.GateRule{Gate: modelregistry.SignatureCompatible()},
		modelregistry.GateRule{Gate: modelregistry.ProvenancePresent()}, modelregistry.GateRule{Gate: modelregistry.CleanTree()})
	column := func(name string) modelregistry.Column {
		return modelregistry.Column{Name: name, Type: modelregistry.TypeDouble}
	}
	one := &modelregistry.Signature{Inputs: modelregistry.Schema{column("amount")}}
	two := &modelregistry.Signature{Inputs: modelregistry.Schema{column("amount"), column("country")}}
	clean := &modelregistry.Provenance{Revision: "4f1c9a2"}
	for _, c := range []struct {
		spec     modelregistry.VersionSpec
		verdicts []string
	}{
		{modelregistry.VersionSpec{}, []string{
			"signature compatible: passed: no other version holds Staging",
			"provenance present: refused: version 1 was registered without provenance",
			"clean tree: refused: version 1 was registered without provenance"}},
		{modelregistry.VersionSpec{Signature: two, Provenance: clean}, []string{
			"signature compatible: passed: no other version holds Staging",
			"provenance present: passed: revision 4f1c9a2",
			"clean tree: passed: revision 4f1c9a2"}},
		{modelregistry.VersionSpec{Provenance: &modelregistry.Provenance{Revision: "4f1c9a2", Dirty: true}}, []string{
			"signature compatible: refused: version 3 has no signature, and version 2, the incumbent, has one",
			"provenance present: passed: revision 4f1c9a2",
			"clean tree: refused: it was trained by code with changes to revision 4f1c9a2 that were not committed"}},
		{modelregistry.VersionSpec{Signature: one, Provenance: &modelregistry.Provenance{GoVersion: "go1.26"}}, []string{
			"signature compatible: passed: with that of version 2, the incumbent",
			"provenance present: passed: of no known revision",
			"clean tree: refused: the provenance of version 4 names no revision"}},
		{modelregistry.VersionSpec{Signature: one, Provenance: clean}, []string{
			"signature compatible: passed: with that of version 2, the incumbent",
			"provenance present: passed: revision 4f1c9a2",
			"clean tree: passed: revision 4f1c9a2"}},
		{modelregistry.VersionSpec{Signature: two, Provenance: clean}, []string{
			"signature compatible: refused: callers of version 5, the incumbent, break: inputs: ",
			"provenance present: passed: revision 4f1c9a2",
			"clean tree: passed: revision 4f1c9a2"}},
	} {
		v, err := r.Register(t.Context(), "fraud", c.spec)
		require.NoError(t, err)
		plan, err := r.Plan(t.Context(), "fraud", v.Number, modelregistry.Staging, nil)
		require.NoError(t, err)
		for i, want := range c.verdicts {
			require.True(t, strings.HasPrefix(plan.Verdicts[i].String(), want), "%s; want %s", plan.Verdicts[i], want)
		}
		if plan.Err() == nil {
			_, err = r.Promote(t.Context(), "fraud", v.Number, modelregistry.Staging, nil)
			require.NoError(t, err)
		}
	}
}
