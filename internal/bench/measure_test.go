package bench_test

import (
	"fmt"
	"math"
	"os"
	"slices"
	"time"
)

// smoke runs every figure in its smallest form: whether it works, not how fast.
var smoke = os.Getenv("BENCH_SMOKE") != ""

// sized is n, or a small part of it for smoke.
func sized[T int | int64 | time.Duration](n T) T {
	if smoke {
		return max(1, n/64)
	}
	return n
}

// slice is how long one side is measured at a time. Sides take turns, so that what else the machine does meets both.
var slice = sized(150 * time.Millisecond)

// alternate runs the sides in turn, n rounds after one that does not count, and returns the median of each.
func alternate(n int, sides ...func() float64) []float64 {
	if smoke {
		n = 1
	}
	got := make([][]float64, len(sides))
	for round := range n + 1 {
		for i, side := range sides {
			if x := side(); round > 0 {
				got[i] = append(got[i], x)
			}
		}
	}
	medians := make([]float64, len(sides))
	for i := range got {
		medians[i] = median(got[i])
	}
	return medians
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// perCall makes a side of fn: the nanoseconds that a call takes, over a slice. Calls come in batches between two looks
// at the clock, for fn may be faster than that.
func perCall(batch int, fn func()) func() float64 {
	return func() float64 {
		begin := time.Now()
		for calls := 0; ; {
			for range batch {
				fn()
			}
			calls += batch
			if took := time.Since(begin); took >= slice {
				return float64(took) / float64(calls)
			}
		}
	}
}

// once makes a side of something that takes long: the nanoseconds of one call.
func once(fn func()) func() float64 {
	return func() float64 {
		begin := time.Now()
		fn()
		return float64(time.Since(begin))
	}
}

// A result is one line of the table.
type result struct {
	figure, ours, peer string
	ratio              float64
	goal               string
	met                bool
}

func atMost(figure, ours, peer string, ratio, limit float64) result {
	return result{figure, ours, peer, ratio, fmt.Sprintf("at most %gx", limit), ratio <= limit}
}

func atLeast(figure, ours, peer string, ratio, limit float64) result {
	return result{figure, ours, peer, ratio, fmt.Sprintf("at least %gx", limit), ratio >= limit}
}

// duration prints nanoseconds to three digits.
func duration(ns float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}} {
		if ns >= u.size {
			return digits(ns/u.size) + " " + u.name
		}
	}
	return digits(ns) + " ns"
}

// digits prints x to three digits.
func digits(x float64) string {
	if x == 0 {
		return "0"
	}
	return fmt.Sprintf("%.*f", max(0, 2-int(math.Floor(math.Log10(math.Abs(x))))), x)
}
