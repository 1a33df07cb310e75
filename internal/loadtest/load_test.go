package loadtest

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/blob"
	"github.com/modelregistry-go/modelregistry/internal/buckettest"
	"github.com/modelregistry-go/modelregistry/internal/stores"
	"github.com/modelregistry-go/modelregistry/mlflow"
)

const (
	clients  = 64
	models   = 8
	everyday = 3 * time.Second
	// heapGrowth is more than what pools, caches and idle connections keep, and less than what a leak of a few hundred
	// bytes a request comes to in a minute.
	heapGrowth = 16 << 20
)

func TestManyClientsAtOnce(t *testing.T) {
	for _, c := range []struct {
		name, backend, bucket string
		thorough              time.Duration
	}{
		{"SQLite and a directory", stores.SQLite, "file", time.Minute},
		{"Postgres and S3", stores.Postgres, "s3", 20 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			place, bucket := stores.New(t, c.backend), buckettest.URL(t, c.bucket)
			goroutines, _ := running()
			t.Run("load", func(t *testing.T) { // so that the store is closed at its end
				lasts := everyday
				if os.Getenv("MODELREGISTRY_TEST_THOROUGH") != "" {
					lasts = c.thorough
				}
				blobs, err := blob.Open(t.Context(), bucket)
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, blobs.Close()) })
				reg, err := modelregistry.New(t.Context(), stores.Open(t, c.backend, place), blobs, nil)
				require.NoError(t, err)
				load(t, reg, lasts)
			})
			end := time.Now().Add(20 * time.Second)
			for n, stacks := running(); n > goroutines; n, stacks = running() {
				require.True(t, time.Now().Before(end), "%d goroutines remain, there were %d:\n%s", n, goroutines, stacks)
				runtime.Gosched()
			}
		})
	}
}

// running is how many goroutines there are, without those of idle connections to a bucket, which end by themselves.
func running() (n int, stacks string) {
	text := make([]byte, 4<<20)
	stacks = string(text[:runtime.Stack(text, true)])
	for stack := range strings.SplitSeq(stacks, "\n\n") {
		if !strings.Contains(stack, "net/http.(*persistConn)") {
			n++
		}
	}
	return n, stacks
}

// A model is what the clients know of a registered model.
type model struct {
	name    string
	created atomic.Int64 // versions that were acknowledged
}

// load has the clients at the registry for a time, and looks at what they leave.
func load(t *testing.T, reg modelregistry.Registry, lasts time.Duration) {
	url, stop := serve(t, reg)
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	var all []*model
	for i := range models {
		m := &model{name: fmt.Sprintf("model-%d", i)}
		all = append(all, m)
		_, err := reg.CreateModel(t.Context(), m.name, modelregistry.ModelSpec{})
		require.NoError(t, err)
	}
	work := func(lasts time.Duration) (requests int64) {
		ctx, done := context.WithTimeout(t.Context(), lasts)
		defer done()
		group, ctx := errgroup.WithContext(ctx)
		for range clients {
			c := &client{http: &http.Client{Transport: transport}, url: url, models: all, rand: rand.New(rand.NewPCG(rand.Uint64(), 0))}
			group.Go(func() error {
				err := c.work(ctx)
				atomic.AddInt64(&requests, c.requests)
				return err
			})
		}
		group.Go(func() error { return watch(ctx, reg, all) })
		require.NoError(t, group.Wait())
		return requests
	}
	work(everyday / 6) // until then the heap grows: pools fill, and connections are made
	before := heap()
	requests := work(lasts)
	after := heap()
	transport.CloseIdleConnections()
	stop()
	check(t, reg, all)
	var versions int64
	for _, m := range all {
		versions += m.created.Load()
	}
	t.Logf("%d requests, %d versions; heap %d KiB, before %d KiB", requests, versions, after>>10, before>>10)
	require.Less(t, after, before+heapGrowth)
}

// heap is how many bytes live on the heap.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what pools kept over the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// serve answers until stop, which waits for all requests.
func serve(t *testing.T, reg modelregistry.Registry) (url string, stop func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := &http.Server{ReadHeaderTimeout: 10 * time.Second,
		Handler: mlflow.Handler(reg, &mlflow.Options{Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	stop = sync.OnceFunc(func() {
		require.NoError(t, srv.Shutdown(context.WithoutCancel(t.Context())))
		require.ErrorIs(t, <-served, http.ErrServerClosed)
	})
	t.Cleanup(stop)
	return "http://" + l.Addr().String(), stop
}

// watch looks for models with several versions in Production until ctx ends: at every model a hundred times a second, for
// more would leave the clients no processor.
func watch(ctx context.Context, reg modelregistry.Registry, all []*model) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		<-tick.C
		for _, m := range all {
			page, err := reg.SearchVersions(context.WithoutCancel(ctx), modelregistry.Query{
				Filter: "name = " + modelregistry.Quote(m.name) + " AND stage = 'Production'"})
			if err != nil {
				return fmt.Errorf("watch: %w", err)
			}
			if len(page.Versions) > 1 {
				return fmt.Errorf("%s has %d versions in Production", m.name, len(page.Versions))
			}
		}
	}
	return nil
}

// check looks at every model when the clients are gone.
func check(t *testing.T, reg modelregistry.Registry, all []*model) {
	for _, m := range all {
		var numbers []int
		production := 0
		for v, err := range reg.Versions(t.Context(), modelregistry.Query{Filter: "name = " + modelregistry.Quote(m.name), OrderBy: []string{"version_number ASC"}}) {
			require.NoError(t, err)
			numbers = append(numbers, v.Number)
			if v.Stage == modelregistry.Production {
				production++
			}
		}
		require.Len(t, numbers, int(m.created.Load()), "%s: what was acknowledged is there, and nothing else", m.name)
		for i, number := range numbers {
			require.Equal(t, i+1, number, m.name)
		}
		require.LessOrEqual(t, production, 1, m.name)
		report, err := reg.Verify(t.Context(), m.name)
		require.NoError(t, err)
		require.Greater(t, report.Events, m.created.Load(), m.name)
	}
}
