package memory_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/backendtest"
	"github.com/modelregistry-go/modelregistry/backend/memory"
)

func TestBackend(t *testing.T) {
	backendtest.Run(t, func(testing.TB) func() backend.Backend {
		return func() backend.Backend { return memory.New() }
	}, &backendtest.Options{InMemory: true})
}

func TestOpen(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, err := backend.Open(ctx, "mem://")
	require.NoError(t, err)
	require.IsType(t, &memory.Backend{}, b)
	for _, url := range []string{"mem://?size=1", "mem://name", "mem:///path", "mem:name"} {
		_, err := backend.Open(ctx, url)
		require.ErrorIs(t, err, backend.ErrInvalid, url)
	}
}

func TestNothingIsSharedWithTheCaller(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := memory.New()
	schema := benchSchema
	require.NoError(t, b.Declare(ctx, schema))
	row := benchRow(1, perModel)
	key := append(backend.Key{}, row.Key...)
	doc := string(row.Doc)
	require.NoError(t, b.Update(ctx, nil, func(tx backend.Tx) error { return tx.Put("versions", row) }))
	clear(row.Doc)
	clear(row.Key)
	clear(row.Fields["tags"].(map[string]backend.Value))
	row.Fields["stage"] = backend.StringValue("None")

	for range 2 {
		rows, err := b.Find(ctx, stageQuery(modelName(1)))
		require.NoError(t, err)
		require.Len(t, rows, 1)
		require.Equal(t, key, rows[0].Key)
		require.Equal(t, doc, string(rows[0].Doc))
		clear(rows[0].Doc)
		clear(rows[0].Key)
	}
	require.NoError(t, b.View(ctx, func(r backend.Reader) error {
		for range 2 {
			row, err := r.Get("versions", key...)
			require.NoError(t, err)
			require.Equal(t, doc, string(row.Doc))
			clear(row.Doc)
			clear(row.Key)
		}
		return nil
	}))
}

func TestViewKeepsItsSnapshotWhileOthersWrite(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := filled(t, 1000)
	require.NoError(t, b.View(ctx, func(r backend.Reader) error {
		before, err := r.Find(backend.Query{Table: "versions"})
		require.NoError(t, err)
		for i := range 50 {
			require.NoError(t, b.Update(ctx, nil, func(tx backend.Tx) error {
				if err := tx.Delete("versions", benchRow(i, 1).Key); err != nil {
					return err
				}
				return tx.Put("versions", benchRow(1000+i, 1), benchRow(i, 2))
			}))
		}
		after, err := r.Find(backend.Query{Table: "versions"})
		require.NoError(t, err)
		require.Equal(t, before, after)
		return nil
	}))
}

// What FindMemo remembers is never older than the last Update that had returned, nor than what a caller has seen.
func TestFindMemoIsNeverStale(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := memory.New()
	require.NoError(t, b.Declare(ctx, benchSchema))
	const models, rounds = 4, 300
	decode := func(r backend.Row) (any, error) { return strconv.Atoi(string(r.Doc)) }
	var written [models]atomic.Int64
	var stop atomic.Bool
	put := func(model, number, n int, stage string) error {
		row := benchRow(model, number)
		row.Fields["stage"] = backend.StringValue(stage)
		row.Doc = []byte(strconv.Itoa(n))
		return b.Update(ctx, nil, func(tx backend.Tx) error { return tx.Put("versions", row) })
	}
	for m := range models {
		require.NoError(t, put(m, 1, 0, benchStage))
	}
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			var seen [models]int
			for !stop.Load() {
				for m := range models {
					least := max(seen[m], int(written[m].Load()))
					got, err := b.FindMemo(ctx, stageQuery(modelName(m)), decode)
					if err != nil || got.(int) < least {
						t.Errorf("model %d: got %v, %v after %d", m, got, err, least)
						return
					}
					seen[m] = got.(int)
				}
			}
		})
	}
	for n := 1; n <= rounds; n++ {
		for m := range models {
			require.NoError(t, put(m, 1, n, benchStage))
			written[m].Store(int64(n))
		}
		require.NoError(t, put(n%models, 2, n, "Staging"))
		failed := fmt.Errorf("rolled back")
		require.ErrorIs(t, b.Update(ctx, nil, func(tx backend.Tx) error {
			row := benchRow(n%models, 1)
			row.Doc = []byte("-1")
			if err := tx.Put("versions", row); err != nil {
				return err
			}
			return failed
		}), failed)
	}
	stop.Store(true)
	readers.Wait()
}

func TestFindMemoAllocatesNothingWhenItRemembers(t *testing.T) {
	ctx := context.Background()
	b := filled(t, 1000)
	decode := func(r backend.Row) (any, error) { return string(r.Doc), nil }
	q := stageQuery(modelName(3))
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := b.FindMemo(ctx, q, decode); err != nil {
			t.Fatal(err)
		}
	})
	require.Zero(t, allocs)
}
