package compare_test

import (
	"database/sql/driver"
	"encoding/json"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/backend/sqlite"
	"github.com/modelregistry-go/modelregistry/compare"
	"github.com/modelregistry-go/modelregistry/internal/sqlcount"
)

func TestDirectionOf(t *testing.T) {
	for name, want := range map[string]compare.Direction{
		"loss": compare.Lower, "val_loss": compare.Lower, "logLoss": compare.Lower, "RMSE": compare.Lower, "mean_squared_error": compare.Lower,
		"latency_ms": compare.Lower, "eval/wer": compare.Lower, "accuracy": compare.Higher, "testAccuracy": compare.Higher, "f1-score": compare.Higher,
		"roc_auc": compare.Higher, "precision@5": compare.Higher, "r2": compare.Higher, "neg_mean_squared_error": compare.Higher,
		"rows": compare.Unknown, "": compare.Unknown, "accuracy_loss": compare.Unknown, "glossary": compare.Unknown, "epoch": compare.Unknown,
	} {
		require.Equal(t, want, compare.DirectionOf(name), name)
	}
}

func TestNumbersComparesEverything(t *testing.T) {
	ctx := t.Context()
	c, err := compare.Numbers(ctx, fraud(ctx), "fraud", nil, 2, 1, 3)
	require.NoError(t, err)
	metrics := map[string]compare.Metric{}
	for _, m := range c.Metrics {
		metrics[m.Name] = m
	}
	require.Equal(t, []compare.Change{compare.Same, compare.Worse, compare.Worse}, metrics["accuracy"].Changes)
	require.Equal(t, []compare.Change{compare.Same, compare.Better, compare.Better}, metrics["recall"].Changes)
	require.Equal(t, []compare.Change{compare.Same, compare.Worse, compare.Removed}, metrics["loss"].Changes)
	require.Equal(t, 0, metrics["loss"].Best)
	require.Equal(t, 2, metrics["recall"].Best)
	require.InDelta(t, 0.03, float64(*metrics["recall"].Deltas[2]), 1e-9)
	require.Nil(t, metrics["loss"].Deltas[2])

	require.Len(t, c.Files, 2)
	require.Equal(t, "labels.txt", c.Files[0].Path)
	require.False(t, c.Files[0].Differs)
	require.Equal(t, []compare.Change{compare.Same, compare.Differs, compare.Differs}, c.Files[1].Changes)
	require.Len(t, c.Origins, 3)
	require.Equal(t, []bool{false, true, false}, c.Origins[0].In)
	require.Empty(t, c.Signatures[0].Changes)
	require.Len(t, c.Signatures[1].Changes, 1)
	require.False(t, c.Signatures[1].Breaking, "a column less breaks nobody")

	back, err := compare.Numbers(ctx, fraud(ctx), "fraud", &compare.Options{Directions: map[string]compare.Direction{"accuracy": compare.Lower}}, 1, 2)
	require.NoError(t, err)
	require.True(t, back.Signatures[1].Breaking, "a column more does")
	require.Equal(t, compare.Worse, back.Metrics[0].Changes[1])
	require.Equal(t, compare.Added, back.Metrics[1].Changes[1])
}

func TestNumbersRefuses(t *testing.T) {
	ctx := t.Context()
	reg := fraud(ctx)
	for _, c := range []struct {
		numbers []int
		want    error
		hint    string
	}{
		{nil, modelregistry.ErrInvalid, "0 versions"},
		{[]int{1}, modelregistry.ErrInvalid, "1 versions"},
		{make([]int, 101), modelregistry.ErrInvalid, "101 versions"},
		{[]int{1, 9}, modelregistry.ErrNotFound, "version 9"},
		{[]int{-1, 1}, modelregistry.ErrNotFound, "version -1"},
	} {
		_, err := compare.Numbers(ctx, reg, "fraud", nil, c.numbers...)
		require.ErrorIs(t, err, c.want)
		require.ErrorContains(t, err, c.hint)
	}
	_, err := compare.Numbers(ctx, reg, "none", nil, 1, 2)
	require.ErrorIs(t, err, modelregistry.ErrNotFound)
	require.ErrorContains(t, err, `model "none"`)
	require.NotContains(t, err.Error(), "version 1")
	_, err = compare.Versions(ctx, reg, nil, nil, nil)
	require.ErrorIs(t, err, modelregistry.ErrInvalid)
	_, err = compare.Leaderboard(ctx, reg, "none", "accuracy", 3, nil)
	require.ErrorIs(t, err, modelregistry.ErrNotFound)
	_, err = compare.Leaderboard(ctx, reg, "fraud", "accuracy", -1, nil)
	require.ErrorIs(t, err, modelregistry.ErrInvalid)
}

func TestLeaderboardRanks(t *testing.T) {
	ctx := t.Context()
	reg := fraud(ctx)
	numbers := func(metric string, n int, opts *compare.LeaderboardOptions) (out []int) {
		b, err := compare.Leaderboard(ctx, reg, "fraud", metric, n, opts)
		require.NoError(t, err)
		for _, v := range b.Versions {
			out = append(out, v.Number)
		}
		return out
	}
	require.Equal(t, []int{2, 3, 1}, numbers("accuracy", 0, nil))
	require.Equal(t, []int{2, 3}, numbers("accuracy", 2, nil))
	require.Equal(t, []int{2, 1, 3}, numbers("loss", 0, nil), "lower is better, without the metric is last")
	require.Equal(t, []int{1, 2, 3}, numbers("loss", 0, &compare.LeaderboardOptions{Direction: compare.Higher}))
	require.Equal(t, []int{3, 1}, numbers("accuracy", 0, &compare.LeaderboardOptions{Filter: "stage != 'Production' OR stage = 'Staging'"}))
	b, err := compare.Leaderboard(ctx, reg, "fraud", "recall", 0, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"recall", "accuracy", "auc", "loss"}, b.Metrics)
}

// What names and values hold neither breaks a table nor means anything in it.
func TestHostileTextStaysInItsCell(t *testing.T) {
	ctx := t.Context()
	reg, err := modelregistry.New(ctx, memory.New(), nil, nil)
	require.NoError(t, err)
	odd := "a|b\n| --- |\t<script>`x`</script> [l](javascript:1) \u202e\x1b[31m"
	for i := range 2 {
		_, err := reg.Register(ctx, "m *|* <b>", modelregistry.VersionSpec{
			Description: odd + strings.Repeat("x", i), Params: map[string]string{"p": odd}, Tags: map[string]string{"t": odd},
			Metrics: map[string]float64{"loss": math.Inf(1 - 2*i), "inf": math.Inf(1)},
		})
		require.NoError(t, err)
	}
	c, err := compare.Numbers(ctx, reg, "m *|* <b>", nil, 1, 2)
	require.NoError(t, err)
	for line := range strings.Lines(c.Markdown()) {
		if line = strings.TrimSpace(line); line != "" {
			require.Equal(t, 4, strings.Count(strings.ReplaceAll(line, `\|`, ""), "|"), line)
			require.NotContains(t, line, "<")
			require.NotContains(t, strings.ReplaceAll(line, "\\`", ""), "`")
		}
	}
	text := c.String()
	require.NotContains(t, text, "\x1b")
	for line := range strings.Lines(text) {
		require.LessOrEqual(t, utf8.RuneCountInString(line), 2*60+30, "long cells are cut")
	}
	doc, err := json.Marshal(c)
	require.NoError(t, err)
	var back compare.Comparison
	require.NoError(t, json.Unmarshal(doc, &back))
	require.Equal(t, "inf", back.Metrics[0].Name)
	require.True(t, math.IsInf(float64(*back.Metrics[0].Values[0]), 1))
	require.Zero(t, float64(*back.Metrics[0].Deltas[1]))
	require.Equal(t, compare.Better, back.Metrics[1].Changes[1])
}

func TestStatements(t *testing.T) {
	ctx := t.Context()
	var count sqlcount.Counter
	b, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "r.db"), &sqlite.Options{Wrap: func(c driver.Connector) driver.Connector { return count.Wrap(c) }})
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close()) }()
	reg, err := modelregistry.New(ctx, b, nil, nil)
	require.NoError(t, err)
	numbers := make([]int, 50)
	for i := range numbers {
		v, err := reg.Register(ctx, "m", modelregistry.VersionSpec{Metrics: map[string]float64{"accuracy": float64(i)},
			Lineage: []modelregistry.Origin{{Type: modelregistry.TrainedOn, Node: modelregistry.DatasetNode("d", "1", "s3://d", nil)}}})
		require.NoError(t, err)
		numbers[i] = v.Number
	}
	cost := func(n int) int {
		count.Take()
		_, err := compare.Numbers(ctx, reg, "m", nil, numbers[:n]...)
		require.NoError(t, err)
		return len(count.Take())
	}
	two, fifty := cost(2), cost(50)
	t.Logf("%d statements for two versions, %d for fifty", two, fifty)
	require.LessOrEqual(t, fifty, 1+8*50)
	count.Take()
	_, err = compare.Leaderboard(ctx, reg, "m", "accuracy", 50, nil)
	require.NoError(t, err)
	require.LessOrEqual(t, len(count.Take()), 3)
}
