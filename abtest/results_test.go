package abtest

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
)

// Newcombe 1998 (Statistics in Medicine 17, 857–872), table I, method 3, has the first four to four places; SciPy 1.17.1
// gives all, as binomtest(s, n).proportion_ci(1 - alpha, method='wilson').
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		successes, failures int64
		alpha, low, high    float64
	}{
		{81, 182, 0.05, 0.2552885198782742, 0.36620957698280004},
		{15, 133, 0.05, 0.06238639953073629, 0.16048724172330803},
		{0, 20, 0.05, 0, 0.16112515805281935},
		{1, 28, 0.05, 0.006113214292762667, 0.17175521879320282},
		{29, 0, 0.05, 0.8830302015002592, 1},
		{900, 100, 0.01, 0.8728654566840358, 0.9218616113932389},
	} {
		got := wilson(c.successes, c.failures, c.alpha)
		require.InDelta(t, c.low, got.Low, 1e-12)
		require.InDelta(t, c.high, got.High, 1e-12)
	}
	require.Equal(t, Interval{0, 1}, wilson(0, 0, 0.05))
}

// SciPy 1.17.1: ttest_1samp(x, 0).confidence_interval(0.95), numpy.std(x, ddof=1).
func TestMeansAndTheirIntervals(t *testing.T) {
	test := build(t, 0.5, 0.5)
	rec, err := NewRecorder(test, nil, nil)
	require.NoError(t, err)
	for _, x := range []float64{12.1, 9.8, 11.4, 10.9, 13.2, 8.7, 10.0} {
		require.NoError(t, rec.Measure("A", x))
	}
	require.NoError(t, rec.Measure("B", -3))
	r, err := rec.Results(t.Context())
	require.NoError(t, err)
	a := r.Variants[0]
	require.EqualValues(t, 7, a.Measured)
	require.InDelta(t, 10.87142857142857, a.Mean, 1e-12)
	require.InDelta(t, 1.5184578643196804, a.Deviation, 1e-12)
	require.InDelta(t, 9.467089271612416, a.MeanInterval.Low, 1e-9)
	require.InDelta(t, 12.275767871244724, a.MeanInterval.High, 1e-9)
	require.Equal(t, -3.0, r.Variants[1].Mean)
	require.Nil(t, r.Variants[1].MeanInterval)
}

func counts(a, b, c, d float64) pair {
	return pair{a: arm{successes: a, failures: b}, b: arm{successes: c, failures: d}}
}

// SciPy 1.17.1: chi2_contingency(table, correction=False, lambda_='log-likelihood') at no difference; elsewhere the
// likelihood maximized by minimize_scalar; the interval by brentq, at chi2.ppf(0.95, 1).
func TestEvidenceOfRates(t *testing.T) {
	for _, c := range []struct {
		pair                    pair
		atZero, at5, atMinus2   float64
		low, high               float64
		tolerance5, toleranceM2 float64
	}{
		{counts(90, 410, 120, 380), 5.439926337384122, 0.15150706805945902, 9.650398178248906, 0.009600422058278432, 0.11040059287666608, 1e-8, 1e-8},
		{counts(3, 99_897, 5, 95), 58.75226812158847, 1.8978095397415018e-06, 4060.8904782573627, 0.018194367573470656, 0.10436642550001891, 1e-5, 1e-3},
		{counts(1, 499, 9, 491), 7.425931311597981, 15.179462293725166, 25.535638720560925, 0.004785796158123818, 0.030564487086167214, 1e-6, 1e-6},
	} {
		e := compareRates([]pair{c.pair})
		require.InDelta(t, c.atZero, e.against(0), 1e-8)
		require.InDelta(t, c.at5, e.against(0.05), c.tolerance5)
		require.InDelta(t, c.atMinus2, e.against(-0.02), c.toleranceM2)
		require.InDelta(t, c.low, e.reach(3.841458820694124, -1), 1e-7)
		require.InDelta(t, c.high, e.reach(3.841458820694124, 1), 1e-7)
	}
	strata := compareRates([]pair{counts(90, 410, 120, 380), counts(30, 20, 400, 200), {}, counts(0, 0, 7, 7)})
	require.InDelta(t, 0.06075756443849756, strata.difference, 1e-7)
	require.InDelta(t, 6.326787288762262, strata.against(0), 1e-8)
	require.Nil(t, compareRates([]pair{{}, counts(1, 1, 0, 0)}))

	// The ends of what is possible.
	e := compareRates([]pair{counts(0, 10, 10, 0)})
	require.Equal(t, 1.0, e.difference)
	require.Zero(t, e.against(1))
	require.Equal(t, 1.0, e.reach(4, 1))
	require.InDelta(t, 2*20*math.Ln2, e.against(0), 1e-12)
	e = compareRates([]pair{counts(0, 10, 0, 10), counts(0, 5, 0, 7)})
	require.InDelta(t, 0, e.difference, 1e-12)
	require.InDelta(t, 0, e.against(0), 1e-9)
	require.Less(t, e.reach(4, 1), 0.5)
	e = compareRates([]pair{counts(10, 0, 10, 0), counts(5, 0, 7, 0)})
	require.InDelta(t, 0, e.difference, 1e-12)
}

// SciPy 1.17.1: ttest_ind_from_stats(11, 3.1, 80, 10.2, 3.1, 120, equal_var=False).statistic².
func TestEvidenceOfMeans(t *testing.T) {
	p := pair{a: arm{measured: 120, mean: 10.2, squares: 3.1 * 3.1 * 119}, b: arm{measured: 80, mean: 11, squares: 3.1 * 3.1 * 79}}
	e := compareMeans([]pair{p})
	require.InDelta(t, 0.8, e.difference, 1e-12)
	require.InDelta(t, 3.1966701352757605, e.against(0), 1e-10)
	require.InDelta(t, 48, e.size, 1e-12)
	require.InDelta(t, 3, e.against(e.reach(3, -1)), 1e-10)

	twice := compareMeans([]pair{p, p})
	require.InDelta(t, 0.8, twice.difference, 1e-12)
	require.InDelta(t, 2*3.1966701352757605, twice.against(0), 1e-10)

	// a's variance counts as that of both, 13.855; b's as its own, 20.25.
	p.b.squares = 4.5 * 4.5 * 79
	require.InDelta(t, 1.7363681104048034, compareMeans([]pair{p}).against(0), 1e-10)

	p.a.measured = 29
	require.Nil(t, compareMeans([]pair{p}))
	require.Nil(t, compareMeans([]pair{{a: arm{measured: 50, mean: 1}, b: arm{measured: 50, mean: 2}}}))
}

// SciPy 1.17.1: the likelihood ratio integrated over the normal prior by integrate.quad.
func TestMixture(t *testing.T) {
	for _, c := range []struct{ against, size, nu, logE float64 }{
		{9, 2500, 284.96, 2.8997353407198423},
		{16, 100, 10, 6.073779636328088},
		{0, 50, 200, -0.11157177565710491},
		{30, 1000, 300, 10.805293004064824},
	} {
		e := &evidence{size: c.size, against: func(float64) float64 { return c.against }}
		require.InDelta(t, c.logE, mixture{c.nu}.logE(e, 0), 1e-9)
	}
	// Where the mixture is tuned to, its boundary is within a hundredth of the lowest that any has.
	m := newMixture(10_000, 0.05)
	require.Less(t, (2500+m.nu)/2500*math.Log((2500+m.nu)/(m.nu*0.05*0.05)), 9.211968062068255*1.01)
}

// SciPy 1.17.1: dirichlet_multinomial.logpmf(n, 500*p, n.sum()) - multinomial.logpmf(n, n.sum(), p).
func TestMismatch(t *testing.T) {
	for _, c := range []struct {
		n    []int64
		p    []float64
		logE float64
	}{
		{[]int64{5100, 4900}, []float64{0.5, 0.5}, 0.3823211411872762},
		{[]int64{900, 120}, []float64{0.9, 0.1}, 0.5385364761024221},
		{[]int64{333, 350, 300}, []float64{1. / 3, 1. / 3, 1. / 3}, 0.22805433806479414},
		{[]int64{0, 40}, []float64{0.5, 0.5}, 1.4470761575254585},
	} {
		test := build(t, c.p...)
		p := phase{weights: test.config.weights(), tallies: map[string]modelregistry.Tally{}}
		for i, v := range test.config.Variants {
			p.tallies[v.Name] = modelregistry.Tally{Failures: c.n[i], Measured: 2 * c.n[i], Exposed: 0}
		}
		require.InDelta(t, c.logE, mismatch(Rate, []phase{p}), 1e-9)
		require.InDelta(t, 2*c.logE, mismatch(Rate, []phase{p, p}), 1e-9)
		require.NotEqual(t, mismatch(Rate, []phase{p}), mismatch(Mean, []phase{p}))
	}
	require.Zero(t, mismatch(Rate, nil))
}

func tally(variant string, successes, failures int64) modelregistry.Tally {
	return modelregistry.Tally{Variant: variant, Successes: successes, Failures: failures}
}

func results(t *testing.T, test *Test, tallies ...modelregistry.Tally) *Results {
	t.Helper()
	r, err := test.Results(tallies)
	require.NoError(t, err)
	// The winner and the intervals say the same.
	for _, v := range r.Variants[1:] {
		if c := v.Versus; c != nil {
			require.Equal(t, c.P <= test.config.Alpha, !c.Interval.Contains(0))
			require.True(t, c.Interval.Contains(c.Difference))
			require.False(t, r.Winner == v.Name && c.Interval.Contains(0))
		}
	}
	_, err = json.Marshal(r) // no NaN, no infinity
	require.NoError(t, err)
	require.NotEmpty(t, r.String())
	return r
}

func TestWinner(t *testing.T) {
	two, three := build(t, 0.5, 0.5), build(t, 0.4, 0.3, 0.3)
	lower, err := New(Config{Name: "errors", Variants: variants(0.5, 0.5), LowerIsBetter: true})
	require.NoError(t, err)
	for _, c := range []struct {
		name    string
		test    *Test
		tallies []modelregistry.Tally
		winner  string
	}{
		{"nothing is known", two, nil, ""},
		{"one side", two, []modelregistry.Tally{tally("A", 5, 0)}, ""},
		{"exposures alone", two, []modelregistry.Tally{{Variant: "A", Exposed: 10}, {Variant: "B", Exposed: 10}}, ""},
		{"too few", two, []modelregistry.Tally{tally("A", 5, 0), tally("B", 0, 5)}, ""},
		{"no difference", two, []modelregistry.Tally{tally("A", 5000, 5000), tally("B", 5000, 5000)}, ""},
		{"all succeed", two, []modelregistry.Tally{tally("A", 5000, 0), tally("B", 5000, 0)}, ""},
		{"significant at one look, but not at any number", two, []modelregistry.Tally{tally("A", 500, 4500), tally("B", 570, 4430)}, ""},
		{"B", two, []modelregistry.Tally{tally("A", 500, 4500), tally("B", 600, 4400)}, "B"},
		{"A", two, []modelregistry.Tally{tally("A", 600, 4400), tally("B", 500, 4500)}, "A"},
		{"A of errors", lower, []modelregistry.Tally{tally("A", 500, 4500), tally("B", 600, 4400)}, "A"},
		{"B in parts", two, []modelregistry.Tally{tally("A", 250, 2250), tally("B", 300, 2200), tally("B", 300, 2200), tally("A", 250, 2250)}, "B"},
		{"C of three", three, []modelregistry.Tally{tally("A", 400, 3600), tally("B", 300, 2700), tally("C", 450, 2550)}, "C"},
		{"B and C beat A, not each other", three, []modelregistry.Tally{tally("A", 400, 3600), tally("B", 450, 2550), tally("C", 455, 2545)}, ""},
		{"A of three", three, []modelregistry.Tally{tally("A", 800, 3200), tally("B", 300, 2700), tally("C", 310, 2690)}, "A"},
		{"A beats B, and nothing is known of C", three, []modelregistry.Tally{{Variant: "A", Exposed: 40, Successes: 800, Failures: 3200}, {Variant: "B", Exposed: 30, Successes: 300, Failures: 2700}, {Variant: "C", Exposed: 30}}, ""},
	} {
		r := results(t, c.test, c.tallies...)
		require.Equal(t, c.winner, r.Winner, c.name)
		require.False(t, r.Mismatch.Alarm, c.name)
	}
}

func TestResultsOfRates(t *testing.T) {
	r := results(t, build(t, 0.5, 0.5), tally("A", 500, 4500), tally("B", 600, 4400))
	require.Nil(t, r.Variants[0].Versus)
	b := r.Variants[1]
	require.Equal(t, "models:/fraud/2", b.URI)
	require.InDelta(t, 0.12, b.Rate, 1e-12)
	require.InDelta(t, 0.02, b.Versus.Difference, 1e-12)
	require.InDelta(t, 0.2, b.Versus.Lift, 1e-12)
	require.Equal(t, ""+
		"VARIANT  OUTCOMES  RATE    MEAN  VS CONTROL  ALWAYS VALID           P\n"+
		"A        5000      0.1000  -     -           -                      -\n"+
		"B        5000      0.1200  -     +0.02       +0.001018 to +0.03903  0.032\n"+
		"winner: B", r.String())
}

// A winner needs shares of users that are right.
func TestMismatchWithholdsTheWinner(t *testing.T) {
	test := build(t, 0.5, 0.5)
	r := results(t, test, tally("A", 500, 4500), tally("B", 700, 3800))
	require.True(t, r.Mismatch.Alarm)
	require.Empty(t, r.Winner)
	require.Less(t, r.Variants[1].Versus.P, 0.001)
	require.Contains(t, r.String(), "shares of users")

	// Exposures, where there are any, are what is compared.
	a, b := tally("A", 500, 4500), tally("B", 700, 3800)
	a.Exposed, b.Exposed = 7010, 7000
	r = results(t, test, a, b)
	require.False(t, r.Mismatch.Alarm)
	require.Equal(t, "B", r.Winner)
}

// A ramp in a good week: each week the variants are equal, and B has more of its users in the good one.
func TestPhasesAreComparedWithin(t *testing.T) {
	before := build(t, 0.9, 0.1)
	test, err := before.Ramp(Weights{"A": 0.1, "B": 0.9})
	require.NoError(t, err)
	old := []modelregistry.Tally{tally("A", 900, 8100), tally("B", 100, 900)}
	for i := range old {
		old[i].Phase = before.phase
	}
	good := []modelregistry.Tally{tally("A", 200, 800), tally("B", 1800, 7200)}
	r := results(t, test, append(old, good...)...)
	require.Greater(t, r.Variants[1].Rate, r.Variants[0].Rate+0.05)
	require.InDelta(t, 0, r.Variants[1].Versus.Difference, 1e-9)
	require.Empty(t, r.Winner)
	require.False(t, r.Mismatch.Alarm)

	// A variant that is no longer there still tells whether shares were right.
	gone := tally("C", 0, 1000)
	gone.Phase = `{"A":0.5,"B":0.25,"C":0.25}`
	r = results(t, test, gone)
	require.Len(t, r.Variants, 2)
	require.True(t, r.Mismatch.Alarm)
}

func TestTalliesThatAreNone(t *testing.T) {
	test := build(t, 0.5, 0.5)
	for _, c := range []struct {
		tally modelregistry.Tally
		hint  string
	}{
		{tally("C", 1, 1), `"C": invalid: not one of A, B`},
		{tally("A", -1, 1), "successes is -1"},
		{modelregistry.Tally{Variant: "A", Measured: 1, Mean: math.NaN()}, "NaN"},
		{modelregistry.Tally{Variant: "A", Phase: "monday"}, "weights as JSON"},
		{modelregistry.Tally{Variant: "A", Phase: `{"A":0.5}`}, "sum to 0.5"},
	} {
		_, err := test.Results([]modelregistry.Tally{c.tally})
		require.ErrorIs(t, err, modelregistry.ErrInvalid)
		require.ErrorContains(t, err, c.hint)
	}
}
