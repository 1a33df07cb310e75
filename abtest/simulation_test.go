package abtest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/modelregistry-go/modelregistry"
)

// A world makes outcomes for a test, a batch of users at a time.
type world struct {
	weights []float64 // as they are, whatever the test thinks
	rates   []float64
	src     rand.Source
}

func newWorld(seed uint64, weights, rates []float64) *world {
	return &world{weights: weights, rates: rates, src: rand.NewPCG(seed, 5)}
}

func (w *world) binomial(n, p float64) float64 {
	switch {
	case n == 0 || p <= 0:
		return 0
	case p >= 1:
		return n
	}
	return distuv.Binomial{N: n, P: p, Src: w.src}.Rand()
}

// batch adds n users' outcomes to a phase.
func (w *world) batch(p phase, names []string, n float64) {
	rest := 1.0
	for i, name := range names {
		users := w.binomial(n, w.weights[i]/rest)
		n, rest = n-users, rest-w.weights[i]
		successes := w.binomial(users, w.rates[i])
		sum := p.tallies[name]
		sum.Add(modelregistry.Tally{Successes: int64(successes), Failures: int64(users - successes)})
		p.tallies[name] = sum
	}
}

// run looks at a test after every 100 users and returns how many there were when stop said so, or 0.
func (w *world) run(test *Test, looks int, stop func([]phase) bool) (users int) {
	phases := []phase{{weights: test.config.weights(), tallies: map[string]modelregistry.Tally{}}}
	var names []string
	for _, v := range test.config.Variants {
		names = append(names, v.Name)
	}
	for look := range looks {
		w.batch(phases[0], names, 100)
		if stop(phases) {
			return (look + 1) * 100
		}
	}
	return 0
}

// atMost proves that count of n is no more than a chance of p allows, within three standard errors.
func atMost(t *testing.T, count, n int, p float64) {
	t.Helper()
	t.Logf("%d of %d: %.4f", count, n, float64(count)/float64(n))
	require.LessOrEqual(t, float64(count), float64(n)*p+3*math.Sqrt(float64(n)*p*(1-p)))
}

// Peeking is safe: of tests between equal variants that are looked at after every 100 users, and end at the first winner,
// at most Alpha name one. A fixed-sample test, looked at as often, names one in a third of them.
func TestFalseWinners(t *testing.T) {
	for _, c := range []struct {
		runs    int
		horizon int
		weights []float64
		rate    float64
	}{
		{10_000, 0, []float64{0.5, 0.5}, 0.1},
		{1000, 0, []float64{0.5, 0.5}, 0.5},
		{1000, 0, []float64{0.9, 0.1}, 0.01},
		{1000, 0, []float64{0.01, 0.99}, 0.002},
		{1000, 100, []float64{0.5, 0.5}, 0.02}, // a horizon that has the boundary low where there are few
		{1000, 100, []float64{0.95, 0.05}, 0.9},
		{500, 0, []float64{0.4, 0.3, 0.3}, 0.1},
		{500, 1000, []float64{0.2, 0.2, 0.2, 0.2, 0.2}, 0.95},
	} {
		t.Run(fmt.Sprint(c.weights, " at ", c.rate, " for ", c.horizon), func(t *testing.T) {
			t.Parallel()
			test, err := New(Config{Name: "a/a", Variants: variants(c.weights...), Horizon: c.horizon})
			require.NoError(t, err)
			rates := make([]float64, len(c.weights))
			for i := range rates {
				rates[i] = c.rate
			}
			w := newWorld(1, c.weights, rates)
			winners := 0
			for range c.runs {
				if w.run(test, 100, func(p []phase) bool { return test.winner(p) != "" }) > 0 {
					winners++
				}
			}
			atMost(t, winners, c.runs, test.config.Alpha)
		})
	}
}

// What the above is measured against: that its worlds do trap those who peek.
func TestPeekingAtAFixedSampleTestIsNotSafe(t *testing.T) {
	test := build(t, 0.5, 0.5)
	w := newWorld(2, []float64{0.5, 0.5}, []float64{0.1, 0.1})
	limit := distuv.ChiSquared{K: 1}.Quantile(0.95)
	winners := 0
	for range 500 {
		if w.run(test, 100, func(p []phase) bool { return test.evidence(p, "A", "B").against(0) > limit }) > 0 {
			winners++
		}
	}
	t.Logf("%d of 500", winners)
	require.Greater(t, winners, 500/4)
}

// A difference is found, by the right variant, and the intervals hold the truth at every look.
func TestRealDifferencesAreFound(t *testing.T) {
	for _, c := range []struct {
		weights, rates []float64
		winner         string
		users          float64 // that it takes at most, on average
	}{
		{[]float64{0.5, 0.5}, []float64{0.10, 0.12}, "B", 10_500}, // 7,680 for a fixed sample at a power of 80 %
		{[]float64{0.5, 0.5}, []float64{0.10, 0.08}, "A", 9_500},
		{[]float64{0.5, 0.5}, []float64{0.90, 0.95}, "B", 1_700},
		{[]float64{0.4, 0.3, 0.3}, []float64{0.10, 0.10, 0.15}, "C", 4_500},
	} {
		test := build(t, c.weights...)
		w := newWorld(3, c.weights, c.rates)
		const runs = 200
		users, missed := 0, 0
		for range runs {
			covered := true
			n := w.run(test, 500, func(p []phase) bool {
				e := test.evidence(p, "A", "B")
				covered = covered && test.mixture().logE(e, c.rates[1]-c.rates[0]) < -math.Log(test.level())
				winner := test.winner(p)
				require.Contains(t, []string{"", c.winner}, winner)
				return winner != ""
			})
			require.Positive(t, n, "not found in 50,000 users")
			users += n
			if !covered {
				missed++
			}
		}
		t.Logf("%v at %v: %d users on average", c.weights, c.rates, users/runs)
		require.Less(t, float64(users)/runs, c.users)
		atMost(t, missed, runs, test.config.Alpha)
	}
}

// The same for numeric outcomes, of skewed distributions: exponential, and log-normal ones of which a few make the mean.
func TestFalseWinnersOfMeans(t *testing.T) {
	for _, c := range []struct {
		horizon int
		weights []float64
		sigma   float64 // of the log-normal distribution; 0 for the exponential one
		factor  float64 // of B's mean
	}{
		{0, []float64{0.7, 0.3}, 0, 1},
		{500, []float64{0.7, 0.3}, 0, 1},
		{100, []float64{0.95, 0.05}, 1, 1},
		{100, []float64{0.05, 0.95}, 2, 1},
		{0, []float64{0.7, 0.3}, 0, 0.9},
	} {
		test, err := New(Config{Name: "latency", Variants: variants(c.weights...), Metric: Mean, LowerIsBetter: true, Horizon: c.horizon})
		require.NoError(t, err)
		rnd := rand.New(rand.NewPCG(4, 5))
		draw := func() float64 {
			if c.sigma > 0 {
				return math.Exp(c.sigma * rnd.NormFloat64())
			}
			return rnd.ExpFloat64()
		}
		const runs = 400
		winners := 0
		for range runs {
			p := phase{weights: test.config.weights(), tallies: map[string]modelregistry.Tally{}}
			var a, b modelregistry.Tally
			for look := range 80 {
				for range 100 {
					if rnd.Float64() < c.weights[0] {
						a.Add(modelregistry.Tally{Measured: 1, Mean: draw()})
					} else {
						b.Add(modelregistry.Tally{Measured: 1, Mean: draw() * c.factor})
					}
				}
				p.tallies["A"], p.tallies["B"] = a, b
				if winner := test.winner([]phase{p}); winner != "" {
					if c.factor < 1 {
						require.Equal(t, "B", winner, "look %d", look)
					}
					winners++
					break
				}
			}
		}
		if c.factor == 1 {
			atMost(t, winners, runs, test.config.Alpha)
		} else {
			t.Logf("%d of %d found", winners, runs)
			require.Greater(t, winners, runs*8/10)
		}
	}
}

// The alarm of mismatched shares, looked at as often, is false at most as often as it says, and hears what is wrong.
func TestMismatchAlarms(t *testing.T) {
	const runs = 1500
	for _, c := range []struct {
		weights, real []float64
	}{
		{[]float64{0.5, 0.5}, []float64{0.5, 0.5}},
		{[]float64{0.99, 0.01}, []float64{0.99, 0.01}},
		{[]float64{0.6, 0.3, 0.1}, []float64{0.6, 0.3, 0.1}},
		{[]float64{0.5, 0.5}, []float64{0.53, 0.47}},
		{[]float64{0.6, 0.3, 0.1}, []float64{0.62, 0.31, 0.07}},
	} {
		test, err := New(Config{Name: "a/a", Variants: variants(c.weights...), MismatchAlpha: 0.05})
		require.NoError(t, err)
		rates := []float64{0.1, 0.1, 0.1}
		w := newWorld(6, c.real, rates)
		alarms := 0
		for range runs {
			if w.run(test, 100, func(p []phase) bool { return chance(mismatch(Rate, p)) <= test.config.MismatchAlpha }) > 0 {
				alarms++
			}
		}
		if fmt.Sprint(c.weights) == fmt.Sprint(c.real) {
			atMost(t, alarms, runs, 0.05)
		} else {
			t.Logf("%v for %v: %d of %d heard", c.real, c.weights, alarms, runs)
			require.Greater(t, alarms, runs*99/100)
		}
	}
}
