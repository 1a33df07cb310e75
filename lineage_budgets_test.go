package modelregistry_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/internal/sqlcount"
)

// What is far away or was long ago costs no statement a row: each call is measured at two sizes.
func TestLineageAndRollbackCostNoStatementPerRow(t *testing.T) {
	onCountedRegistries(t, func(t *testing.T, r modelregistry.Registry, count *sqlcount.Counter) {
		ctx := t.Context()
		version := func(model string, number int) modelregistry.Node {
			return modelregistry.Node{Kind: modelregistry.ModelVersion, Name: model, Version: strconv.Itoa(number)}
		}
		data := func(name string, n int) modelregistry.Node {
			return modelregistry.Node{Kind: modelregistry.Dataset, Name: name, Version: strconv.Itoa(n)}
		}
		costs := func(what string, size, most int, call func() error) {
			count.Take()
			require.NoError(t, call(), what)
			texts := count.Take()
			for i := range texts {
				texts[i] = texts[i][:min(len(texts[i]), 150)]
			}
			require.LessOrEqual(t, len(texts), most, "%s of %d:\n%s", what, size, strings.Join(texts, "\n"))
		}
		for _, size := range []int{10, 200} {
			// A version at the end of a chain of so many steps is deployed.
			var edges []modelregistry.Edge
			for i := range size {
				edges = append(edges, modelregistry.Edge{From: data(fmt.Sprint("chain", size), i+1), Type: modelregistry.DerivedFrom, To: data(fmt.Sprint("chain", size), i)})
			}
			require.NoError(t, r.Link(ctx, nil, edges...))
			model := fmt.Sprint("deployed", size)
			_, err := r.Register(ctx, model, modelregistry.VersionSpec{
				Lineage: []modelregistry.Origin{{Type: modelregistry.TrainedOn, Node: data(fmt.Sprint("chain", size), size)}},
			})
			require.NoError(t, err)
			costs("RecordDeployment", size, 14, func() error {
				return r.RecordDeployment(ctx, model, 1, modelregistry.Endpoint{Name: fmt.Sprint("api", size), Traffic: 100}, nil)
			})

			// So many models are linked at once.
			edges = nil
			for i := range size {
				name := fmt.Sprintf("linked%d-%d", size, i)
				_, err := r.Register(ctx, name, modelregistry.VersionSpec{})
				require.NoError(t, err)
				edges = append(edges, modelregistry.Edge{From: version(name, 1), Type: modelregistry.TrainedOn, To: data("late", size)})
			}
			costs("Link", size, 13+size/20, // SQLite writes 64 rows in a statement
				func() error { return r.Link(ctx, nil, edges...) })
			for i := range size {
				report, err := r.Verify(ctx, fmt.Sprintf("linked%d-%d", size, i))
				require.NoError(t, err)
				require.EqualValues(t, 3, report.Events)
			}

			// A rollback goes past so many who held the stage and were deleted.
			model = fmt.Sprint("rolled", size)
			for i := range size + 2 {
				_, err := r.Register(ctx, model, modelregistry.VersionSpec{})
				require.NoError(t, err)
				_, err = r.Promote(ctx, model, i+1, modelregistry.Production, nil)
				require.NoError(t, err)
			}
			for i := range size {
				require.NoError(t, r.DeleteVersion(ctx, model, i+2, nil))
			}
			costs("Rollback", size, 18, func() error {
				p, err := r.Rollback(ctx, model, modelregistry.Production, nil)
				if err == nil && p.Version.Number != 1 {
					err = errors.New("another version was restored")
				}
				return err
			})
		}
	})
}
