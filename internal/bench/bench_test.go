package bench_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/backend/postgres"
	"github.com/modelregistry-go/modelregistry/backend/sqlite"
	"github.com/modelregistry-go/modelregistry/internal/stores"
)

// A figure is one or more lines of the table.
type figure struct {
	name string
	// on are the kinds of store that it wants filled; nil: it makes its own.
	on  []string
	run func(b *testing.B, s *store) []result
}

// figures are in the order of the table. A figure that closes its store comes behind those that use it.
var figures = slices.Concat([]figure{
	{"resolve on SQL", []string{stores.SQLite, stores.Postgres}, resolveSQL},
	{"resolve in memory", []string{stores.Memory}, resolveMemory},
	{"callers at once on SQLite", nil, callersSQLite},
	{"readers beside a writer", []string{stores.SQLite}, readersBesideWriter},
	{"one write in memory", []string{stores.Memory}, writeMemory},
	{"writes on SQL", nil, writesSQL},
	{"writers at once on Postgres", nil, writersPostgres},
	{"search pages", []string{stores.Memory, stores.SQLite, stores.Postgres}, searchPages},
	{"size", []string{stores.Memory, stores.SQLite}, size},
	{"large file", nil, largeFile},
	{"memory of a large file", nil, largeFileMemory},
	{"small files", nil, smallFiles},
	{"start of a process", []string{stores.SQLite}, startProcess},
	{"mlflow", nil, mlflow},
}, serverFigures)

// A store is filled with models.
type store struct {
	kind   string
	place  string
	models int
	reg    modelregistry.Registry
	close  func()
	heap   uint64 // that it takes, if it is in memory
}

func (s *store) versions() int { return s.models * perModel }

// name names the store in a line of the table.
func (s *store) name() string {
	return map[string]string{stores.Memory: "memory", stores.SQLite: "SQLite", stores.Postgres: "Postgres"}[s.kind]
}

// versionsWanted is how many versions a filled store has: a million, or what BENCH_VERSIONS says; for smoke a part of them.
func versionsWanted(b *testing.B) int {
	text := os.Getenv("BENCH_VERSIONS")
	if text == "" {
		return sized(1_000_000)
	}
	n, err := strconv.Atoi(text)
	require.NoError(b, err, "BENCH_VERSIONS")
	return max(n, 10*perModel)
}

func fill(b *testing.B, kind string, versions int) *store {
	s := &store{kind: kind, place: stores.New(b, kind), models: versions / perModel}
	before := heap()
	begin := time.Now()
	into := open(b, kind, s.place)
	s.reg = load(b, into, s.models)
	switch kind {
	case stores.SQLite: // so that all of it is in the file
		require.NoError(b, into.Close())
		into = open(b, kind, s.place)
		var err error
		s.reg, err = modelregistry.New(b.Context(), into, nil, nil)
		require.NoError(b, err)
	case stores.Postgres: // as it would of itself, sooner or later
		db := peer(b, s)
		_, err := db.Exec("VACUUM ANALYZE")
		require.NoError(b, err)
	}
	s.close = sync.OnceFunc(func() { require.NoError(b, into.Close()) })
	s.heap = heap() - min(before, heap())
	fmt.Fprintf(os.Stderr, "bench: %s with %d versions, loaded in %s\n", s.name(), s.versions(), time.Since(begin).Round(time.Second))
	return s
}

// heap is how many bytes live on the heap.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what had a finalizer
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkFigures runs once (-benchtime 1x). BENCH_ONLY selects figures whose name contains it.
func BenchmarkFigures(b *testing.B) {
	only := os.Getenv("BENCH_ONLY")
	versions := versionsWanted(b)
	begin, busy := time.Now(), load5()
	lines := make([][]result, len(figures))
	run := func(i int, s *store) {
		fmt.Fprintf(os.Stderr, "bench: %6.1fs %s\n", time.Since(begin).Seconds(), figures[i].name)
		lines[i] = append(lines[i], figures[i].run(b, s)...)
	}
	wanted := func(f figure) bool { return strings.Contains(f.name, only) }
	for _, kind := range []string{"", stores.SQLite, stores.Postgres, stores.Memory} {
		var s *store
		for i, f := range figures {
			if !wanted(f) || !slices.Contains(f.on, kind) && (kind != "" || f.on != nil) {
				continue
			}
			if kind != "" && s == nil {
				s = fill(b, kind, versions)
			}
			run(i, s)
		}
		if s != nil {
			s.close()
		}
	}
	table := slices.Concat(lines...)
	fmt.Print(aligned(table))
	fmt.Fprintf(os.Stderr, "bench: took %s\n", time.Since(begin).Round(time.Second))
	if only == "" && versions == 1_000_000 && !smoke {
		path := filepath.Join("..", "..", "docs", "benchmarks.md")
		require.NoError(b, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(b, os.WriteFile(path, []byte(page(table, busy)), 0o644))
	}
}

// open opens a store; the caller closes it.
func open(b *testing.B, kind, place string) backend.Backend {
	var into backend.Backend
	var err error
	switch kind {
	case stores.Memory:
		into = memory.New()
	case stores.SQLite:
		into, err = sqlite.Open(b.Context(), place, nil)
	case stores.Postgres:
		into, err = postgres.Open(b.Context(), place, nil)
	}
	require.NoError(b, err)
	return into
}

// fresh is an empty registry.
func fresh(b *testing.B, kind string) modelregistry.Registry {
	reg, err := modelregistry.New(b.Context(), stores.Open(b, kind, stores.New(b, kind)), nil, &modelregistry.Options{Actor: "trainer"})
	require.NoError(b, err)
	return reg
}
