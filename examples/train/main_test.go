package main

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/examples/iris"
	"github.com/modelregistry-go/modelregistry/sign"
)

func TestTheFirstExecutionDoesItAllAndTheSecondAddsNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there yet, 100%")
	require.NoError(t, run(t.Context(), dir, io.Discard))
	first := outcome(t, dir)
	require.NoError(t, run(t.Context(), dir, io.Discard))
	require.Equal(t, first, outcome(t, dir), "events, and so all else, are as they were")
}

// A writer that ends the context stands for an interrupt between any two steps of which the program tells.
func TestWhatWasBrokenOffIsFinished(t *testing.T) {
	dir := t.TempDir()
	finished := false
	for lines := 1; !finished; lines += 4 {
		ctx, cancel := context.WithCancel(t.Context())
		err := run(ctx, dir, &interrupt{left: lines, cancel: cancel})
		if finished = err == nil; !finished {
			require.ErrorIs(t, err, context.Canceled, "after %d lines", lines)
		}
		cancel()
	}
	outcome(t, dir)
}

type interrupt struct {
	left   int
	cancel context.CancelFunc
}

func (i *interrupt) Write(p []byte) (int, error) {
	if i.left--; i.left == 0 {
		i.cancel()
	}
	return len(p), nil
}

// outcome asserts what the registry has to hold in the end, and returns the model's events.
func outcome(t *testing.T, dir string) []string {
	t.Helper()
	ctx := t.Context()
	reg, keys, closeRegistry, err := open(ctx, dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, closeRegistry()) }()

	var versions []string
	for v, err := range reg.Versions(ctx, modelregistry.Query{OrderBy: []string{"version_number"}}) {
		require.NoError(t, err)
		versions = append(versions, fmt.Sprintf("%d: %s %s validated=%s", v.Number, v.Semver, v.Stage, v.Tags.Get("validated")))
	}
	require.Equal(t, []string{
		"1: 1.0.0 Archived validated=true",
		"2: 1.1.0 Archived validated=true", // callers get more than before
		"3: 1.1.1 Archived validated=false",
		"4: 1.1.2 Production validated=true",
	}, versions)

	servesWhatWasTrained(t, reg, keys)
	wasLetThrough(t, reg)
	cameFromTheData(t, reg)

	tallies, err := reg.Outcomes(ctx, "IrisModel-2-or-4")
	require.NoError(t, err)
	require.Len(t, tallies, 2)
	require.EqualValues(t, 75, tallies[0].Successes+tallies[0].Failures+tallies[1].Successes+tallies[1].Failures)

	page, err := os.ReadFile(filepath.Join(dir, "cards", "IrisModel-4.md"))
	require.NoError(t, err)
	require.Contains(t, string(page), "fine-tuned-from")

	report, err := reg.Verify(ctx, modelName)
	require.NoError(t, err)
	var events []string
	for e, err := range reg.Events(ctx, modelregistry.EventQuery{Model: modelName}) {
		require.NoError(t, err)
		events = append(events, e.Hash)
	}
	require.EqualValues(t, len(events), report.Events)
	return events
}

// servesWhatWasTrained looks at the version in Production: its run, its facts, its files.
func servesWhatWasTrained(t *testing.T, reg modelregistry.Registry, keys keys) {
	ctx := t.Context()
	trusted, err := sign.RequireSigned(reg, keys.public)
	require.NoError(t, err)
	v, err := trusted.Resolve(ctx, production)
	require.NoError(t, err)
	m, err := loadModel(trusted.Files(ctx, v))
	require.NoError(t, err)
	flowers, err := iris.Read()
	require.NoError(t, err)
	_, test := iris.Split(flowers)
	require.Equal(t, v.Metrics.Clone(), m.evaluate(test))
	require.GreaterOrEqual(t, v.Metrics.Get("accuracy"), 0.95)
	require.Equal(t, v.StageSince.Format("2006-01-02"), v.Tags.Get("deployed_date"))

	run, err := reg.Run(ctx, v.RunID)
	require.NoError(t, err)
	require.Equal(t, modelregistry.RunFinished, run.Status)
	require.Equal(t, map[string]string{"epochs": "100", "rate": "0.03"}, run.Params.Clone())
	history, err := reg.MetricHistory(ctx, run.ID, "loss", modelregistry.Query{})
	require.NoError(t, err)
	require.Len(t, history.Points, 100)
	require.Less(t, history.Points[99].Value, history.Points[0].Value)

	facts, err := reg.Facts(ctx, v)
	require.NoError(t, err)
	require.NoError(t, facts.Signature.Validate([]flower{sizesOf(test[0])}, nil))
	require.ErrorIs(t, facts.Signature.Validate(map[string]any{"petal_width": 1.0}, nil), modelregistry.ErrInvalid)
	require.NotEmpty(t, facts.Provenance.GoVersion)
	require.Equal(t, serving, facts.Serving)
	require.Len(t, facts.Envelopes, 1)
	require.Len(t, facts.Endpoints, 1)
	require.Equal(t, "iris-api", facts.Endpoints[0].Name)
	for number := 1; number <= 3; number++ {
		other, err := reg.Version(ctx, modelName, number)
		require.NoError(t, err)
		facts, err := reg.Facts(ctx, other)
		require.NoError(t, err)
		require.Empty(t, facts.Endpoints, "version %d serves no more", number)
	}

	stranger, _, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	distrusting, err := sign.RequireSigned(reg, stranger)
	require.NoError(t, err)
	_, err = distrusting.Resolve(ctx, production)
	require.ErrorIs(t, err, modelregistry.ErrCorrupt)
}

// wasLetThrough looks at the history: who came into Production, and by whom.
func wasLetThrough(t *testing.T, reg modelregistry.Registry) {
	ctx := t.Context()
	var released []int
	for e, err := range reg.Events(ctx, modelregistry.EventQuery{Model: modelName}) {
		require.NoError(t, err)
		if _, to, ok := e.StageChange(); !ok || to != modelregistry.Production {
			continue
		}
		released = append(released, e.Version)
		require.Len(t, e.Verdicts, 8)
		for _, said := range e.Verdicts {
			require.True(t, said.Passed, "%s", said)
		}
		request, err := reg.Request(ctx, e.Request)
		require.NoError(t, err)
		require.Equal(t, modelregistry.RequestApproved, request.State)
		require.Equal(t, "trainer", request.Requester)
		require.Len(t, request.Votes, 1)
		require.Equal(t, "ann", request.Votes[0].Actor)
	}
	require.Equal(t, []int{1, 2, 4}, released)

	// There is no way past the gates.
	_, err := reg.Promote(ctx, modelName, 3, modelregistry.Production, nil)
	var refused *modelregistry.Refused
	require.ErrorAs(t, err, &refused)
	refusing := slices.DeleteFunc(slices.Clone(refused.Verdicts), func(v modelregistry.Verdict) bool { return v.Passed })
	require.Len(t, refusing, 4) // accuracy, that of the incumbent, validated, approved
}

// cameFromTheData looks at the lineage.
func cameFromTheData(t *testing.T, reg modelregistry.Registry) {
	ctx := t.Context()
	data, err := modelregistry.DigestDataset(ctx, "iris", "", iris.Files)
	require.NoError(t, err)
	impact, err := modelregistry.ImpactOf(ctx, reg, data, nil)
	require.NoError(t, err)
	require.Len(t, impact.Versions, 1)
	require.Equal(t, 4, impact.Versions[0].Number)

	v := impact.Versions[0]
	parent, err := reg.Version(ctx, modelName, 2)
	require.NoError(t, err)
	graph, err := reg.Lineage(ctx, v.Node(), nil)
	require.NoError(t, err)
	deployment := modelregistry.Endpoint{Name: "iris-api", Target: "greenhouse"}.Node()
	for _, e := range []modelregistry.Edge{
		{From: deployment, Type: modelregistry.Serves, To: v.Node()},
		{From: v.Node(), Type: modelregistry.FineTunedFrom, To: parent.Node()},
		{From: v.Node(), Type: modelregistry.ProducedBy, To: modelregistry.Node{Kind: modelregistry.TrainingRun, Name: v.RunID}},
		{From: modelregistry.Node{Kind: modelregistry.TrainingRun, Name: v.RunID}, Type: modelregistry.TrainedOn, To: data},
	} {
		require.Len(t, graph.Path(e.From, e.To), 1, "%s %s %s", e.From, e.Type, e.To)
	}
}
