package bench_test

import (
	"context"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/internal/stores"
)

// writerPace is the time between the commits of a steady writer: a hundred a second.
const writerPace = 10 * time.Millisecond

// readersBesideWriter leaves one core to the writer.
func readersBesideWriter(b *testing.B, s *store) []result {
	ctx := context.Background()
	readers := max(1, runtime.NumCPU()-1)
	reads := func() float64 {
		var done atomic.Int64
		var wg sync.WaitGroup
		begin := time.Now()
		for range readers {
			wg.Go(func() {
				for time.Since(begin) < 2*slice {
					if _, err := s.reg.Resolve(ctx, "models:/"+modelName(rand.IntN(s.models))+"/Production"); err != nil {
						b.Error(err)
						return
					}
					done.Add(1)
				}
			})
		}
		wg.Wait()
		return float64(done.Load()) / time.Since(begin).Seconds()
	}
	var written atomic.Int64
	var writing time.Duration
	beside := func() float64 {
		stop := make(chan struct{})
		begin := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			tick := time.NewTicker(writerPace)
			defer tick.Stop()
			for {
				select {
				case <-stop:
					return
				case <-tick.C:
					register(b, s.reg, modelName(rand.IntN(s.models)))
					written.Add(1)
				}
			}
		})
		got := reads()
		close(stop)
		wg.Wait()
		writing += time.Since(begin)
		return got
	}
	m := alternate(21, beside, reads)
	ours := digits(m[0]) + " reads/s beside " + digits(float64(written.Load())/writing.Seconds()) + " commits/s"
	return []result{atLeast("readers beside a writer, SQLite", ours, "alone "+digits(m[1])+" reads/s", m[0]/m[1], 0.85)}
}

// searchPages compares pages of 100 with the first one, in the default order.
func searchPages(b *testing.B, s *store) []result {
	ctx := context.Background()
	search := func(q modelregistry.Query) modelregistry.VersionPage {
		page, err := s.reg.SearchVersions(ctx, q)
		require.NoError(b, err)
		return page
	}
	deep := ""
	for range s.versions() / 2 / 10_000 {
		deep = search(modelregistry.Query{PageSize: 10_000, PageToken: deep}).Next
	}
	full := func(q func() modelregistry.Query) func() float64 {
		return perCall(1, func() { require.Len(b, search(q()).Versions, 100) })
	}
	cohorts := max(1, s.versions()/perTag)
	m := alternate(15,
		full(func() modelregistry.Query { return modelregistry.Query{} }),
		full(func() modelregistry.Query { return modelregistry.Query{PageToken: deep} }),
		full(func() modelregistry.Query {
			return modelregistry.Query{Filter: "tags.cohort = " + modelregistry.Quote(cohort(rand.IntN(cohorts)))}
		}))
	first := "first page " + duration(m[0])
	return []result{
		atMost("search page of 100 in the middle, "+s.name(), duration(m[1]), first, m[1]/m[0], 2),
		atMost("search page of 100 by a tag of 500, "+s.name(), duration(m[2]), first, m[2]/m[0], 4),
	}
}

func size(b *testing.B, s *store) []result {
	bytes, limit, text := float64(s.heap), 1.2*1024, "at most 1.2 KiB"
	if s.kind == stores.SQLite {
		info, err := os.Stat(s.place)
		require.NoError(b, err)
		bytes, limit, text = float64(info.Size()), 800, "at most 800 B"
	}
	bytes /= float64(s.versions())
	return []result{{"size of a version with 2 tags, " + s.name(), digits(bytes) + " B", "", bytes, text, bytes <= limit}}
}
