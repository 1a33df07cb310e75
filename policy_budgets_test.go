package modelregistry_test

import (
	"database/sql/driver"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/postgres"
	"github.com/modelregistry-go/modelregistry/backend/sqlite"
	"github.com/modelregistry-go/modelregistry/internal/pgtest"
	"github.com/modelregistry-go/modelregistry/internal/sqlcount"
)

// What promotions through gates, approvals and retention may cost in statements, begin and commit counted.
func TestStatementsOfPolicy(t *testing.T) {
	gates := []modelregistry.GateRule{
		{Model: "gated", Gate: modelregistry.MetricNotWorse("accuracy", 0.01, true)},
		{Model: "gated", Gate: modelregistry.SignatureCompatible()},
		{Model: "gated", Gate: modelregistry.CleanTree()},
		{Model: "gated", Gate: modelregistry.FilesVerified()},
		{Model: "gated", Gate: modelregistry.MinTimeInStaging(time.Nanosecond)},
		{Model: "approved", Stage: modelregistry.Production, Gate: modelregistry.Approvals(2)},
	}
	t.Run("sqlite", func(t *testing.T) {
		var count sqlcount.Counter
		b, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "registry.db"), &sqlite.Options{Wrap: count.Wrap})
		require.NoError(t, err)
		statementsOfPolicy(t, b, gates, &count)
	})
	t.Run("postgres", func(t *testing.T) {
		var count sqlcount.Counter
		wrap := func(c driver.Connector) driver.Connector { return count.Wrap(c) }
		b, err := postgres.Open(t.Context(), pgtest.DSN(t), &postgres.Options{Wrap: wrap})
		require.NoError(t, err)
		statementsOfPolicy(t, b, gates, &count)
	})
}

func statementsOfPolicy(t *testing.T, b backend.Backend, gates []modelregistry.GateRule, count *sqlcount.Counter) {
	ctx := t.Context()
	defer func() { require.NoError(t, b.Close()) }()
	r, err := modelregistry.New(ctx, b, memBlobs(t), &modelregistry.Options{Actor: "ada", Gates: gates})
	require.NoError(t, err)
	budget := func(name string, most int, call func() error) {
		t.Helper()
		count.Take()
		require.NoError(t, call(), name)
		texts := count.Take()
		t.Logf("%s: %d", name, len(texts))
		require.LessOrEqual(t, len(texts), most, "%s:\n%s", name, strings.Join(texts, "\n"))
	}
	spec := modelregistry.VersionSpec{
		Metrics:    map[string]float64{"accuracy": 0.97},
		Files:      fstest.MapFS{"a": {Data: []byte("1")}, "b": {Data: []byte("2")}},
		Provenance: &modelregistry.Provenance{Revision: "4f1c9a2"},
		Signature:  &modelregistry.Signature{Inputs: modelregistry.Schema{{Name: "amount", Type: modelregistry.TypeDouble}}},
	}
	for _, model := range []string{"gated", "approved"} {
		for range 3 {
			_, err := r.Register(ctx, model, spec)
			require.NoError(t, err)
		}
	}
	to := func(number int, stage modelregistry.Stage) func() error {
		return func() error { _, err := r.Promote(ctx, "gated", number, stage, nil); return err }
	}
	require.NoError(t, to(1, modelregistry.Staging)())
	require.NoError(t, to(1, modelregistry.Production)())
	require.NoError(t, to(2, modelregistry.Staging)())
	budget("plan with five gates", 12, func() error {
		_, err := r.Plan(ctx, "gated", 2, modelregistry.Production, nil)
		return err
	})
	budget("promote with archive through five gates", 12, to(2, modelregistry.Production))

	var q *modelregistry.Request
	budget("request", 9, func() error {
		q, err = r.RequestTransition(ctx, "approved", 1, modelregistry.Production, modelregistry.RequestSpec{})
		return err
	})
	budget("approve", 9, func() error { _, err := r.As("bob").Approve(ctx, q.ID, ""); return err })
	budget("approve as the last", 12, func() error { _, err := r.As("eve").Approve(ctx, q.ID, ""); return err })
	budget("read a request", 1, func() error { _, err := r.Request(ctx, q.ID); return err })
	budget("list the pending", 1, func() error {
		for _, err := range r.Requests(ctx, modelregistry.RequestQuery{State: modelregistry.RequestPending}) {
			return err
		}
		return nil
	})
	budget("status of a version", 2, func() error { _, err := r.ApprovalStatus(ctx, "approved", 1); return err })

	for range 150 {
		_, err := r.Register(ctx, "old", modelregistry.VersionSpec{})
		require.NoError(t, err)
	}
	var plan *modelregistry.RetentionPlan
	budget("plan the retention of 150 versions", 5, func() error {
		plan, err = r.PlanRetention(ctx, "old", modelregistry.RetentionRules{KeepLast: 5, KeepEverIn: []modelregistry.Stage{modelregistry.Production}})
		return err
	})
	budget("delete 145 versions", 30, func() error {
		report, err := r.ApplyRetention(ctx, plan, nil)
		require.Len(t, report.Deleted, 145)
		return err
	})
}
