package card_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/blob"
	"github.com/modelregistry-go/modelregistry/card"
)

var update = flag.Bool("update", false, "write the golden files anew")

// newRegistry is one whose clock ticks a minute at a time.
func newRegistry(ctx context.Context, gates ...modelregistry.GateRule) modelregistry.Registry {
	blobs, err := blob.Open(ctx, "mem://")
	if err != nil {
		log.Fatal(err)
	}
	now := time.Date(2024, 1, 15, 9, 0, 0, 0, time.UTC)
	reg, err := modelregistry.New(ctx, memory.New(), blobs, &modelregistry.Options{
		Actor: "ann", Gates: gates, Now: func() time.Time { now = now.Add(time.Minute); return now },
	})
	if err != nil {
		log.Fatal(err)
	}
	return reg
}

// fraud is a registry with a model whose second version has everything.
func fraud(ctx context.Context) (modelregistry.Registry, *modelregistry.Version) {
	reg := newRegistry(ctx, modelregistry.GateRule{Gate: modelregistry.MetricAtLeast("accuracy", 0.9)}, modelregistry.GateRule{Gate: modelregistry.CleanTree()})
	must := func(err error) {
		if err != nil {
			log.Fatal(err)
		}
	}
	script := modelregistry.Node{Kind: modelregistry.CodeCommit, Name: "train.go", Version: "def456"}
	features := modelregistry.Node{Kind: modelregistry.CodeCommit, Name: "feature-engineering", Version: "abc123"}
	data := modelregistry.DatasetNode("transactions", "v2023-06", "s3://ml-data/train_v2023-06.parquet", map[string]string{"rows": "284807"})
	_, err := reg.CreateModel(ctx, "fraud", modelregistry.ModelSpec{Description: "Tells fraudulent card payments from others."})
	must(err)
	must(reg.Link(ctx, nil, modelregistry.Edge{From: features, Type: modelregistry.DerivedFrom, To: data}, modelregistry.Edge{From: script, Type: modelregistry.DerivedFrom, To: features}))
	clean := &modelregistry.Provenance{Revision: "def456"}
	columns := modelregistry.Schema{{Name: "amount", Type: modelregistry.TypeDouble}, {Name: "country", Type: modelregistry.TypeString, Optional: true}}
	first, err := reg.Register(ctx, "fraud", modelregistry.VersionSpec{
		Semver: "1.0.0", Metrics: map[string]float64{"accuracy": 0.905, "latency_ms": 12}, Provenance: clean, Signature: &modelregistry.Signature{Inputs: columns[:1]},
		Lineage: []modelregistry.Origin{{Type: modelregistry.ProducedBy, Node: script}, {Type: modelregistry.TrainedOn, Node: data}},
	})
	must(err)
	_, err = reg.Promote(ctx, "fraud", first.Number, modelregistry.Production, &modelregistry.PromoteOptions{Reason: "the first"})
	must(err)
	v, err := reg.Register(ctx, "fraud", modelregistry.VersionSpec{
		Semver: "1.1.0", Description: "Fine-tuned on the second quarter.\nNot for amounts above 10,000.",
		Files:   fstest.MapFS{"MLmodel": {Data: []byte("flavors: {}\n")}, "model/weights.bin": {Data: make([]byte, 1<<20)}},
		Params:  map[string]string{"max_depth": "10", "n_estimators": "150"},
		Metrics: map[string]float64{"accuracy": 0.92, "latency_ms": 14, "auc": 0.97}, Tags: map[string]string{"team": "risk"}, Aliases: []string{"champion"},
		Signature: &modelregistry.Signature{Inputs: columns, Outputs: modelregistry.Schema{{Name: "fraud", Type: modelregistry.TypeBoolean}}},
		Provenance: &modelregistry.Provenance{Revision: "def456", Branch: "main", Remote: "https://git.example/fraud", Dirty: true, GoVersion: "go1.26", OS: "linux", Arch: "amd64",
			Command: []string{"train", "-depth", "10"}, Warnings: []string{"the tree was dirty"}},
		Serving: &modelregistry.Serving{Image: "registry.example.com/risk/server:1.2", Ports: []int{8080}, ContentTypes: []string{"application/json"},
			Resources: modelregistry.Resources{MilliCPU: 1500, Memory: 512 << 20}, Environment: map[string]string{"WORKERS": "4"}},
		Lineage: []modelregistry.Origin{{Type: modelregistry.FineTunedFrom, Node: first.Node()}},
	})
	must(err)
	_, err = reg.As("ben").RequestTransition(ctx, "fraud", v.Number, modelregistry.Production, modelregistry.RequestSpec{
		Reason: "better recall in the pilot", Waive: map[string]string{"clean tree": "only a comment differed"},
	})
	must(err)
	for q, err := range reg.Requests(ctx, modelregistry.RequestQuery{Model: "fraud"}) {
		must(err)
		_, err = reg.As("cleo").Comment(ctx, q.ID, "looked at the false positives")
		must(err)
		q, err = reg.As("cleo").Approve(ctx, q.ID, "agreed")
		must(err)
		if q.State != modelregistry.RequestApproved {
			log.Fatal(q.State, q.Outcome)
		}
	}
	must(reg.RecordDeployment(ctx, "fraud", v.Number, modelregistry.Endpoint{Name: "scoring", Target: "eu", Traffic: 100}, nil))
	must(reg.AddEnvelope(ctx, v, modelregistry.Envelope{PayloadType: "application/vnd.in-toto+json", Payload: []byte("{}"),
		Signatures: []modelregistry.EnvelopeSignature{{KeyID: "release", Sig: []byte("sig")}}}, nil))
	v, err = reg.Version(ctx, "fraud", v.Number)
	must(err)
	return reg, v
}

func TestCardsAreAsTheyWere(t *testing.T) {
	reg, v := fraud(t.Context())
	c, err := card.New(t.Context(), reg, v, nil)
	require.NoError(t, err)
	page, err := c.HTML()
	require.NoError(t, err)
	for file, got := range map[string]string{"testdata/card.md": c.Markdown(), "testdata/card.html": string(page)} {
		if *update {
			require.NoError(t, os.MkdirAll("testdata", 0o755))
			require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(want), got, file)
	}
}

func TestSectionsWithNothingAreLeftOut(t *testing.T) {
	ctx := t.Context()
	reg := newRegistry(ctx)
	v, err := reg.Register(ctx, "m", modelregistry.VersionSpec{})
	require.NoError(t, err)
	c, err := card.New(ctx, reg, v, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"## History"}, regexp.MustCompile(`(?m)^## .*`).FindAllString(c.Markdown(), -1))
	_, err = card.New(ctx, reg, &modelregistry.Version{RunID: "1"}, nil)
	require.ErrorIs(t, err, modelregistry.ErrInvalid)
	_, err = card.New(ctx, reg, &modelregistry.Version{Model: "m", Number: 9, ModelID: v.ModelID}, nil)
	require.ErrorIs(t, err, modelregistry.ErrNotFound)
	_, err = card.New(ctx, reg, v, &card.Options{Events: -1})
	require.ErrorIs(t, err, modelregistry.ErrInvalid)
	_, err = card.New(ctx, modelregistry.Unimplemented{}, v, nil)
	require.NoError(t, err, "what the registry cannot do is left out")
}

func TestTheNewestEventsAreTold(t *testing.T) {
	ctx := t.Context()
	reg, v := fraud(ctx)
	c, err := card.New(ctx, reg, v, &card.Options{Events: 3})
	require.NoError(t, err)
	require.Len(t, c.History, 3)
	require.True(t, c.Earlier)
	require.Equal(t, modelregistry.VersionSigned, c.History[2].Kind)
	require.Contains(t, c.Markdown(), "Older events are left out.")
}

// What anybody writes into the registry does nothing in a card.
func TestHostileTextIsText(t *testing.T) {
	ctx := t.Context()
	reg := newRegistry(ctx)
	const odd = "</td></style></script><script>alert(1)</script><img src=x onerror=alert(1)> [l](javascript:alert(1)) `c` | **b** \n# title\n- item\n```\n<!-- "
	name := strings.ReplaceAll(odd, "\n", " ") // of names the registry refuses line ends
	reg = reg.As(name)
	_, err := reg.CreateModel(ctx, "m<b>|`", modelregistry.ModelSpec{Description: odd, Reason: odd})
	require.NoError(t, err)
	v, err := reg.Register(ctx, "m<b>|`", modelregistry.VersionSpec{
		Description: odd, Params: map[string]string{"p": odd}, Tags: map[string]string{"t": odd}, Source: odd, RunID: odd, Reason: odd,
		Files:   fstest.MapFS{"<script>alert(1)": {Data: []byte("x")}, "a|b`c": {Data: []byte("y")}},
		Lineage: []modelregistry.Origin{{Type: modelregistry.TrainedOn, Node: modelregistry.DatasetNode(name, name, odd, map[string]string{"a": odd})}},
	})
	require.NoError(t, err)
	c, err := card.New(ctx, reg, v, nil)
	require.NoError(t, err)
	page, err := c.HTML()
	require.NoError(t, err)
	tags := html.NewTokenizer(strings.NewReader(string(page)))
	for tags.Next() != html.ErrorToken {
		token := tags.Token()
		require.NotContains(t, []string{"script", "img", "b", "a", "iframe", "link", "object"}, token.Data)
		require.NotEqual(t, html.CommentToken, token.Type)
		for _, a := range token.Attr {
			require.False(t, strings.HasPrefix(a.Key, "on"), a.Key)
		}
	}
	require.True(t, errors.Is(tags.Err(), io.EOF))

	text := c.Markdown()
	require.Equal(t, 2, strings.Count(text, "```"), "the block of the diagram, and no other")
	require.NotContains(t, text, "<script")
	require.NotContains(t, text, "<img")
	inDiagram := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "```") {
			inDiagram = !inDiagram
		}
		if !inDiagram {
			require.NotRegexp(t, `^(# title|- item)`, line)
			require.NotRegexp(t, `[^\\]\]\(`, line)
		}
	}
}

// What a terminal obeys, or the order of writing, is in no card.
func TestCardsShowWhatTheyHold(t *testing.T) {
	ctx := t.Context()
	reg := newRegistry(ctx)
	const odd = "\x1b]0;title\x07\x1b[2J\u009b31m\u202egnp.exe\u2066\x7f"
	_, err := reg.CreateModel(ctx, "m", modelregistry.ModelSpec{Description: odd})
	require.NoError(t, err)
	v, err := reg.Register(ctx, "m", modelregistry.VersionSpec{
		Description: odd, Params: map[string]string{"p": odd}, Tags: map[string]string{"t": odd},
		Lineage: []modelregistry.Origin{{Type: modelregistry.TrainedOn, Node: modelregistry.DatasetNode("d", "1", odd, map[string]string{"a": odd})}},
	})
	require.NoError(t, err)
	c, err := card.New(ctx, reg, v, nil)
	require.NoError(t, err)
	page, err := c.HTML()
	require.NoError(t, err)
	for _, text := range []string{string(page), c.Markdown()} {
		require.NotContains(t, strings.Map(func(r rune) rune {
			if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
				return '!'
			}
			return r
		}, strings.ReplaceAll(text, "!", "")), "!")
	}
}

func Example() {
	ctx := context.Background()
	reg, v := fraud(ctx)
	c, err := card.New(ctx, reg, v, nil)
	if err != nil {
		log.Fatal(err)
	}
	text := c.Markdown()
	begin, end := strings.Index(text, "## Metrics"), strings.Index(text, "## Params")
	fmt.Print(text[begin:end])
	begin, end = strings.Index(text, "## Approvals"), strings.Index(text, "## History")
	fmt.Print(text[begin:end])
	// Output:
	// ## Metrics
	//
	// Beside fraud/1, which was in Production before.
	//
	// | metric | fraud/2 | fraud/1 | change |
	// | --- | --- | --- | --- |
	// | accuracy | 0.92 | 0.905 | +0.015 better |
	// | auc | 0.97 |  | added |
	// | latency\_ms | 14 | 12 | +2 worse |
	//
	// ## Approvals
	//
	// | when | who | what | why |
	// | --- | --- | --- | --- |
	// | 2024-01-15 09:07:00 UTC | ben | requested for Production; 1 to approve | better recall in the pilot |
	// | 2024-01-15 09:10:00 UTC | cleo | commented | looked at the false positives |
	// | 2024-01-15 09:12:00 UTC | cleo | voted for it | agreed |
	// | 2024-01-15 09:12:00 UTC | cleo | decided approved | agreed |
}
