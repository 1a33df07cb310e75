package modelregistry_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/internal/sqlcount"
)

// Verify reads in pages: a page more of events, twice, of versions, and of requests, is what a page more of them costs.
func TestVerifyCostsNoStatementPerRow(t *testing.T) {
	onCountedRegistries(t, func(t *testing.T, r modelregistry.Registry, count *sqlcount.Counter) {
		ctx := t.Context()
		versions := 0
		for _, c := range []struct{ versions, most int }{{10, 11}, {240, 11}, {520, 14}} {
			for ; versions < c.versions; versions++ {
				_, err := r.Register(ctx, "fraud", modelregistry.VersionSpec{Tags: map[string]string{"n": fmt.Sprint(versions)}})
				require.NoError(t, err)
			}
			count.Take()
			report, err := r.Verify(ctx, "fraud")
			require.NoError(t, err)
			require.Equal(t, c.versions, report.Versions)
			texts := count.Take()
			require.LessOrEqual(t, len(texts), c.most, "%d versions:\n%s", c.versions, strings.Join(texts, "\n"))
		}
		for range 240 { // are 480 events, a page more, and three pages of requests
			q, err := r.RequestTransition(ctx, "fraud", 1, modelregistry.Staging, modelregistry.RequestSpec{})
			require.NoError(t, err)
			_, err = r.Withdraw(ctx, q.ID, "")
			require.NoError(t, err)
		}
		count.Take()
		_, err := r.Verify(ctx, "fraud")
		require.NoError(t, err)
		texts := count.Take()
		require.LessOrEqual(t, len(texts), 18, "240 requests:\n%s", strings.Join(texts, "\n"))
	})
}
