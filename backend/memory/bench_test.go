package memory_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/memory"
)

// The goals, each against its yardstick in the same run: FindMemo at most 4x a lookup in a plain map under a RWMutex,
// a row of 300 bytes at most 1.2 KiB, a write at a million rows at most 3x one at ten thousand.

const (
	million    = 1_000_000
	perModel   = 10
	benchStage = "Production"
)

var benchSchema = backend.Schema{Format: 1, Tables: []backend.Table{{
	Name: "versions",
	Key:  []backend.Field{{Name: "model"}, {Name: "number", Kind: backend.Int}},
	Fields: []backend.Field{
		{Name: "stage"}, {Name: "created", Kind: backend.Time}, {Name: "semver"}, {Name: "tags", Shape: backend.Map},
	},
	Indexes: []backend.Index{
		{Fields: []string{"model", "stage"}}, {Fields: []string{"created"}}, {Fields: []string{"model", "semver"}, Unique: true},
		{Fields: []string{"tags"}},
	},
}}}

func modelName(i int) string { return fmt.Sprintf("model-%07d", i) }

// benchRow is version number of model i, with a document of some 300 bytes; each model's last version is in Production.
func benchRow(i, number int) backend.Row {
	stage := "Archived"
	if number == perModel {
		stage = benchStage
	}
	doc := fmt.Appendf(nil, `{"model":%q,"number":%d,"stage":%q,"doc":"%0220d"}`, modelName(i), number, stage, i)
	return backend.Row{
		Key: backend.Key{backend.StringValue(modelName(i)), backend.IntValue(int64(number))},
		Fields: map[string]any{
			"stage": backend.StringValue(stage), "created": backend.MicrosValue(1_700_000_000_000_000 + int64(i*perModel+number)),
			"semver": backend.StringValue(fmt.Sprintf("1.%d.0", number)),
			"tags":   map[string]backend.Value{"team": backend.StringValue(fmt.Sprintf("team-%d", i%100)), "run": backend.StringValue(fmt.Sprintf("run-%d-%d", i, number))},
		},
		Doc: doc,
	}
}

// filled returns a backend with rows rows.
func filled(tb testing.TB, rows int) *memory.Backend {
	tb.Helper()
	b := memory.New()
	require.NoError(tb, b.Declare(context.Background(), benchSchema))
	const models = 1000 / perModel
	for first := 0; first < rows/perModel; first += models {
		err := b.Update(context.Background(), nil, func(tx backend.Tx) error {
			for i := first; i < first+models; i++ {
				for number := 1; number <= perModel; number++ {
					if err := tx.Put("versions", benchRow(i, number)); err != nil {
						return err
					}
				}
			}
			return nil
		})
		require.NoError(tb, err)
	}
	return b
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

var (
	bigSize  float64 // bytes a row
	bigStore = sync.OnceValue(func() *memory.Backend {
		before := heap()
		b := filled(&testing.B{}, million)
		bigSize = float64(heap()-before) / million
		return b
	})
)

func BenchmarkRowSize(b *testing.B) {
	bigStore()
	for b.Loop() {
	}
	b.ReportMetric(bigSize, "B/row")
	b.ReportMetric(0, "ns/op")
}

func stageQuery(model string) backend.Query {
	return backend.Query{Table: "versions", Where: []backend.Cond{
		{Field: "model", Op: backend.Eq, Value: backend.StringValue(model)},
		{Field: "stage", Op: backend.Eq, Value: backend.StringValue(benchStage)},
	}}
}

func BenchmarkFindMemo(b *testing.B) {
	store := bigStore()
	ctx := context.Background()
	type version struct{ doc []byte }
	decode := func(r backend.Row) (any, error) { return &version{doc: append([]byte(nil), r.Doc...)}, nil }
	names := make([]string, million/perModel)
	plain := map[string]*version{}
	for i := range names {
		names[i] = modelName(i)
		for n := range perModel {
			plain[fmt.Sprintf("%s/%d", names[i], n)] = &version{}
		}
		plain[names[i]+"/"+benchStage] = &version{}
	}
	uris := make([]string, len(names))
	for i, name := range names { // the first time a row is found it is decoded: not what is measured
		uris[i] = name + "/" + benchStage
		_, err := store.FindMemo(ctx, stageQuery(name), decode)
		require.NoError(b, err)
	}
	var mu sync.RWMutex
	for _, set := range []struct {
		name string
		size int
	}{{"all", len(names)}, {"hot", 1000}} {
		b.Run(set.name, func(b *testing.B) {
			b.ReportAllocs()
			var inStore, inMap time.Duration
			q := stageQuery("") // a caller in a hurry uses one query again and again, too
			picks := make([]int, 1024)
			n := 0
			for b.Loop() {
				if n%len(picks) == 0 {
					for i := range picks {
						picks[i] = rand.IntN(set.size)
					}
					start := time.Now()
					for _, i := range picks {
						mu.RLock()
						v := plain[uris[i]]
						mu.RUnlock()
						if v == nil {
							b.Fatal("not in the map")
						}
					}
					mid := time.Now()
					for _, i := range picks {
						q.Where[0].Value = backend.StringValue(names[i])
						if _, err := store.FindMemo(ctx, q, decode); err != nil {
							b.Fatal(err)
						}
					}
					inStore += time.Since(mid)
					inMap += mid.Sub(start)
				}
				n++
			}
			rounds := float64((n + len(picks) - 1) / len(picks) * len(picks))
			b.ReportMetric(float64(inStore)/rounds, "ns/find")
			b.ReportMetric(float64(inMap)/rounds, "ns/map")
			b.ReportMetric(float64(inStore)/float64(inMap), "x-map")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func BenchmarkWrite(b *testing.B) {
	big, small := bigStore(), filled(b, 10_000)
	ctx := context.Background()
	write := func(store *memory.Backend, rows int) time.Duration {
		i := rand.IntN(rows / perModel)
		row := benchRow(i, 1+rand.IntN(perModel-1))
		row.Fields["stage"] = backend.StringValue("Staging")
		start := time.Now()
		if err := store.Update(ctx, nil, func(tx backend.Tx) error { return tx.Put("versions", row) }); err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
	var inBig, inSmall time.Duration
	n := 0
	for b.Loop() {
		inSmall += write(small, 10_000)
		inBig += write(big, million)
		n++
	}
	b.ReportMetric(float64(inBig)/float64(n), "ns/write-1M")
	b.ReportMetric(float64(inSmall)/float64(n), "ns/write-10k")
	b.ReportMetric(float64(inBig)/float64(inSmall), "x-10k")
	b.ReportMetric(0, "ns/op")
}
