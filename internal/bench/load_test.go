package bench_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/memory"
)

// A million registrations one by one would take most of a benchmark's time, waiting for the disk. So each model lives its
// life in a small registry in memory, and the rows that the registry wrote for it are loaded in bulk.
const (
	perModel   = 100
	production = perModel - 10 // has the alias champion
	staging    = perModel - 5  // has the alias challenger
	perTag     = 500           // versions that have the same tag cohort
)

var began = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

func modelName(i int) string { return fmt.Sprintf("model-%06d", i) }

func cohort(i int) string { return fmt.Sprintf("cohort-%04d", i) }

// spec is what version number of model i is registered with.
func spec(models, i, number int) modelregistry.VersionSpec {
	r := rand.New(rand.NewPCG(uint64(i), uint64(number))) // the same tags in every store
	return modelregistry.VersionSpec{Tags: map[string]string{
		"cohort":    cohort(r.IntN(max(1, models*perModel/perTag))),
		"framework": []string{"sklearn", "xgboost", "pytorch", "onnx"}[r.IntN(4)],
	}}
}

// A recorder is a Backend in memory that keeps the rows that were last written, whole: a row as read lacks its fields.
type recorder struct {
	*memory.Backend
	versions []backend.Row // by number
	model    backend.Row
}

func (r *recorder) Update(ctx context.Context, locks []string, fn func(backend.Tx) error) error {
	return r.Backend.Update(ctx, locks, func(tx backend.Tx) error { return fn(recorderTx{tx, r}) })
}

type recorderTx struct {
	backend.Tx
	r *recorder
}

func (t recorderTx) Insert(table string, rows ...backend.Row) error {
	t.r.keep(table, rows)
	return t.Tx.Insert(table, rows...)
}

func (t recorderTx) Put(table string, rows ...backend.Row) error {
	t.r.keep(table, rows)
	return t.Tx.Put(table, rows...)
}

func (r *recorder) keep(table string, rows []backend.Row) {
	for _, row := range rows {
		switch table {
		case "models":
			r.model = row
		case "versions":
			number := int(row.Key[1].Int())
			r.versions = append(r.versions, make([]backend.Row, max(0, number-len(r.versions)))...)
			r.versions[number-1] = row
		}
	}
}

// life is the rows of model i.
func life(models, i int) (*recorder, error) {
	ctx := context.Background()
	rec := &recorder{Backend: memory.New()}
	now := began
	reg, err := modelregistry.New(ctx, rec, nil, &modelregistry.Options{Actor: "trainer", Now: func() time.Time { return now }})
	if err != nil {
		return nil, err
	}
	name := modelName(i)
	for number := 1; number <= perModel; number++ {
		now = began.Add(time.Duration(number*models+i) * time.Second)
		if _, err := reg.Register(ctx, name, spec(models, i, number)); err != nil {
			return nil, err
		}
		switch number {
		case production - 20, production:
			_, err = reg.Promote(ctx, name, number, modelregistry.Production, nil)
			if err == nil {
				_, err = reg.SetAlias(ctx, name, "champion", number, nil)
			}
		case staging:
			_, err = reg.Promote(ctx, name, number, modelregistry.Staging, nil)
			if err == nil {
				_, err = reg.SetAlias(ctx, name, "challenger", number, nil)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return rec, rec.Close()
}

// load fills an empty store with models of perModel versions each, without their history. Versions of different models
// come mixed, as they do in life: an index that is filled in order is smaller.
func load(b *testing.B, into backend.Backend, models int) modelregistry.Registry {
	ctx := b.Context()
	reg, err := modelregistry.New(ctx, into, nil, &modelregistry.Options{Actor: "trainer"})
	require.NoError(b, err)
	const together, rowsAtOnce = 200, 1000
	type group struct {
		lives []*recorder
		err   error
	}
	groups := make(chan group, 1)
	go func() {
		defer close(groups)
		for ids := range slices.Chunk(rand.New(rand.NewPCG(1, 2)).Perm(models), together) {
			g := group{lives: make([]*recorder, len(ids))}
			var work errgroup.Group
			work.SetLimit(runtime.NumCPU())
			for j, id := range ids {
				work.Go(func() (err error) {
					g.lives[j], err = life(models, id)
					return err
				})
			}
			g.err = work.Wait()
			groups <- g
		}
	}()
	for g := range groups {
		require.NoError(b, g.err)
		var versions, owners []backend.Row
		for number := range perModel {
			for _, rec := range g.lives {
				versions = append(versions, rec.versions[number])
			}
		}
		for _, rec := range g.lives {
			owners = append(owners, rec.model)
		}
		insert := func(table string, rows []backend.Row) {
			for part := range slices.Chunk(rows, rowsAtOnce) {
				require.NoError(b, into.Update(ctx, nil, func(tx backend.Tx) error { return tx.Insert(table, part...) }))
			}
		}
		insert("versions", versions)
		insert("models", owners)
	}
	return reg
}
