package modelregistry_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/internal/stores"
)

// What an operator says once holds for every program on the same store, also one that knows nothing of the gates.
func TestAProgramWithoutTheRequiredGatesMovesNothing(t *testing.T) {
	for _, kind := range stores.Kinds() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			b := stores.Fresh(t, kind)
			rule := func(at modelregistry.GateRule, name string, gate modelregistry.Gate) modelregistry.GateRule {
				at.Name, at.Gate = name, gate
				return at
			}
			stage, alias := modelregistry.GateRule{Stage: modelregistry.Production}, modelregistry.GateRule{Alias: "champion"}
			eval, approval := modelregistry.MetricAtLeast("accuracy", 0.9), modelregistry.Approvals(1, "boss")
			release, err := modelregistry.New(ctx, b, nil, &modelregistry.Options{Actor: "release", Gates: []modelregistry.GateRule{
				rule(stage, "eval", eval), rule(stage, "approval", approval), rule(alias, "eval", eval), rule(alias, "approval", approval),
			}})
			require.NoError(t, err)
			training, err := modelregistry.New(ctx, b, nil, &modelregistry.Options{Actor: "training"})
			require.NoError(t, err)

			for _, accuracy := range []float64{0.95, 0.8} {
				_, err = training.Register(ctx, "fraud", modelregistry.VersionSpec{Metrics: map[string]float64{"accuracy": accuracy}})
				require.NoError(t, err)
			}
			var all []modelregistry.Requirement
			for _, gate := range []string{"eval", "approval"} {
				all = append(all, modelregistry.Requirement{Gate: gate, Stage: modelregistry.Production}, modelregistry.Requirement{Gate: gate, Alias: "champion"})
			}
			_, err = release.UpdateModel(ctx, "fraud", modelregistry.ModelPatch{Require: all})
			require.NoError(t, err)

			refused := func(err error) {
				t.Helper()
				var no *modelregistry.Refused
				require.ErrorAs(t, err, &no)
				require.ErrorIs(t, err, modelregistry.ErrConflict)
				require.Len(t, no.Verdicts, 2)
				for _, v := range no.Verdicts {
					require.True(t, v.Missing)
				}
				require.ErrorContains(t, err, "approval: the model requires it, and this program was opened without a gate of that name in front of ")
			}
			_, err = training.Promote(ctx, "fraud", 1, modelregistry.Production, nil)
			refused(err)
			_, err = training.SetAlias(ctx, "fraud", "champion", 1, nil)
			refused(err)
			plan, err := training.Plan(ctx, "fraud", 1, modelregistry.Production, nil)
			require.NoError(t, err)
			refused(plan.Err())
			plan, err = training.PlanAlias(ctx, "fraud", "champion", 1, nil)
			require.NoError(t, err)
			refused(plan.Err())

			// It may ask, and another such program cannot say yes; the one with the gates can.
			q, err := training.RequestTransition(ctx, "fraud", 1, modelregistry.Production, modelregistry.RequestSpec{})
			require.NoError(t, err)
			refused(q.Refused())
			_, err = training.As("boss").Approve(ctx, q.ID, "")
			refused(err)
			q, err = release.As("boss").Approve(ctx, q.ID, "")
			require.NoError(t, err)
			require.Equal(t, modelregistry.RequestApproved, q.State, q.Outcome)

			q, err = training.RequestAlias(ctx, "fraud", "champion", 2, modelregistry.RequestSpec{})
			require.NoError(t, err)
			q, err = release.As("boss").Approve(ctx, q.ID, "")
			require.NoError(t, err)
			require.Equal(t, modelregistry.RequestFailed, q.State)
			require.Contains(t, q.Outcome, "eval: it is 0.8")
			q, err = training.RequestAlias(ctx, "fraud", "champion", 1, modelregistry.RequestSpec{})
			require.NoError(t, err)
			_, err = release.As("boss").Approve(ctx, q.ID, "")
			require.NoError(t, err)
			v, err := training.Resolve(ctx, "models:/fraud@champion")
			require.NoError(t, err)
			require.Equal(t, modelregistry.Production, v.Stage)
			report, err := training.Verify(ctx, "fraud")
			require.NoError(t, err)
			require.Empty(t, report.Problem)
		})
	}
}
