package abtest

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"text/tabwriter"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/modelregistry-go/modelregistry"
)

// Results are what is known of a test.
type Results struct {
	Test     string          `json:"test"`
	Variants []VariantResult `json:"variants"` // as in the Config, the control first
	// Winner is the variant that is better than each other one; "" as long as none is known to be, and as long as
	// Mismatch alarms.
	Winner   string   `json:"winner,omitempty"`
	Mismatch Mismatch `json:"mismatch"`
}

// A VariantResult is what is known of one variant, over all weights that the test had.
type VariantResult struct {
	Variant
	Exposed   int64 `json:"exposed"`
	Successes int64 `json:"successes"`
	Failures  int64 `json:"failures"`
	// Rate is that of successes, RateInterval Wilson's interval at 1−Alpha; 0 and [0, 1] before there is any. This
	// interval, like MeanInterval, covers the truth at one look, not at all at once.
	Rate         float64  `json:"rate"`
	RateInterval Interval `json:"rate_interval"`

	Measured int64 `json:"measured"`
	// Mean is that of the numeric outcomes, Deviation their standard deviation, MeanInterval Student's at 1−Alpha; nil
	// before there are two.
	Mean         float64   `json:"mean"`
	Deviation    float64   `json:"deviation"`
	MeanInterval *Interval `json:"mean_interval,omitempty"`

	// Versus compares the variant with the control in the test's Metric. It is nil of the control, and where too
	// little is there to compare, which of means is less than 30 outcomes of each or such as are all equal.
	Versus *Comparison `json:"versus,omitempty"`
}

// A Comparison of a variant with the control is always valid: it holds whenever, and however often, one looks.
type Comparison struct {
	// Difference is the variant's rate or mean less the control's, within times of equal weights.
	Difference float64 `json:"difference"`
	// Interval is where the difference is. The intervals of all variants cover the truth at all times, all at once,
	// with the probability 1−Alpha.
	Interval Interval `json:"interval"`
	// Lift is Difference as a share of the control's rate or mean; 0 if that is 0.
	Lift float64 `json:"lift"`
	// P is the always-valid p-value of no difference, corrected for the number of variants: the chance that it is ever
	// at most Alpha, for any variant that is equal to the control, is at most Alpha. P ≤ Alpha is when Interval leaves out 0.
	P float64 `json:"p"`
}

// An Interval is a range of numbers, both ends included.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Contains says whether x is in the interval.
func (i Interval) Contains(x float64) bool { return i.Low <= x && x <= i.High }

// A Mismatch compares how many users the variants got with what they should have got. It counts exposures, or outcomes
// where none were recorded.
type Mismatch struct {
	// P is the always-valid p-value of shares as the weights say.
	P     float64 `json:"p"`
	Alarm bool    `json:"alarm"` // P is at most MismatchAlpha: look for the fault, and trust no result
}

// Results judges what was counted. Phase is "" in tallies that were counted under the weights that the test has now;
// those of a Recorder know theirs. ErrInvalid: a tally is none, or of a variant that the test has not.
func (t *Test) Results(tallies []modelregistry.Tally) (*Results, error) {
	phases, err := t.phases(tallies)
	if err != nil {
		return nil, err
	}
	r := &Results{Test: t.config.Name, Variants: make([]VariantResult, len(t.config.Variants))}
	r.Mismatch.P = chance(mismatch(t.config.Metric, phases))
	r.Mismatch.Alarm = r.Mismatch.P <= t.config.MismatchAlpha
	for i, v := range t.config.Variants {
		sum := modelregistry.Tally{Variant: v.Name}
		for _, p := range phases {
			sum.Add(p.tallies[v.Name])
		}
		r.Variants[i] = t.variantResult(v, sum)
	}
	t.compare(r, phases)
	if !r.Mismatch.Alarm {
		r.Winner = t.winner(phases)
	}
	return r, nil
}

// A phase is what was counted under one set of weights.
type phase struct {
	weights Weights
	tallies map[string]modelregistry.Tally // by variant
}

func (t *Test) phases(tallies []modelregistry.Tally) ([]phase, error) {
	var phases []phase
	place := map[string]int{}
	for _, tally := range tallies {
		if err := tally.Check(); err != nil {
			return nil, fmt.Errorf("A/B test %q: %w", t.config.Name, err)
		}
		key := tally.Phase
		if key == "" {
			key = t.phase
		}
		i, ok := place[key]
		if !ok {
			weights, err := parsePhase(key)
			if err != nil {
				return nil, fmt.Errorf("A/B test %q: %w", t.config.Name, err)
			}
			i = len(phases)
			place[key] = i
			phases = append(phases, phase{weights: weights, tallies: map[string]modelregistry.Tally{}})
		}
		if _, ok := phases[i].weights[tally.Variant]; !ok {
			return nil, t.errNoVariant(tally.Variant)
		}
		sum := phases[i].tallies[tally.Variant]
		sum.Add(tally)
		phases[i].tallies[tally.Variant] = sum
	}
	return phases, nil
}

func parsePhase(text string) (Weights, error) {
	var w Weights
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		return nil, fmt.Errorf("phase %.80q: %w: a Recorder writes weights as JSON there", text, modelregistry.ErrInvalid)
	}
	if err := w.check(); err != nil {
		return nil, fmt.Errorf("phase %.80q: %w", text, err)
	}
	return w, nil
}

func (t *Test) variantResult(v Variant, sum modelregistry.Tally) VariantResult {
	r := VariantResult{
		Variant: v, Exposed: sum.Exposed, Successes: sum.Successes, Failures: sum.Failures,
		RateInterval: wilson(sum.Successes, sum.Failures, t.config.Alpha),
		Measured:     sum.Measured, Mean: sum.Mean,
	}
	if n := sum.Successes + sum.Failures; n > 0 {
		r.Rate = float64(sum.Successes) / float64(n)
	}
	if n := float64(sum.Measured); n > 1 {
		r.Deviation = math.Sqrt(sum.Squares / (n - 1))
		half := distuv.StudentsT{Sigma: 1, Nu: n - 1}.Quantile(1-t.config.Alpha/2) * r.Deviation / math.Sqrt(n)
		r.MeanInterval = &Interval{Low: r.Mean - half, High: r.Mean + half}
	}
	return r
}

// wilson is the score interval of a rate at 1−alpha (Wilson 1927).
func wilson(successes, failures int64, alpha float64) Interval {
	s, f := float64(successes), float64(failures)
	if s+f == 0 {
		return Interval{Low: 0, High: 1}
	}
	z := distuv.UnitNormal.Quantile(1 - alpha/2)
	n := s + f
	middle := (s + z*z/2) / (n + z*z)
	half := z / (n + z*z) * math.Sqrt(s*f/n+z*z/4)
	return Interval{Low: clamp(middle - half), High: clamp(middle + half)}
}

// level is what each comparison gets of Alpha. That the intervals against the control hold together takes as many parts
// as there are other variants. It is enough for the winner, who has to beat everybody: if some variant is as good as
// any, a false winner has falsely beaten it, or is it and has falsely beaten another; all of these are comparisons
// with that one variant.
func (t *Test) level() float64 { return t.config.Alpha / float64(len(t.config.Variants)-1) }

func (t *Test) mixture() mixture { return newMixture(t.config.Horizon, t.level()) }

// evidence is what is known of variant b against a; nil if nothing is.
func (t *Test) evidence(phases []phase, a, b string) *evidence {
	pairs := make([]pair, 0, len(phases))
	for _, p := range phases {
		pairs = append(pairs, pair{a: newArm(p.tallies[a]), b: newArm(p.tallies[b])})
	}
	if t.config.Metric == Mean {
		return compareMeans(pairs)
	}
	return compareRates(pairs)
}

func newArm(t modelregistry.Tally) arm {
	return arm{
		successes: float64(t.Successes), failures: float64(t.Failures),
		measured: float64(t.Measured), mean: t.Mean, squares: t.Squares,
	}
}

// compare fills in how the variants compare with the control.
func (t *Test) compare(r *Results, phases []phase) {
	m := t.mixture()
	control := r.Variants[0].Rate
	if t.config.Metric == Mean {
		control = r.Variants[0].Mean
	}
	for i := range r.Variants[1:] {
		v := &r.Variants[1+i]
		e := t.evidence(phases, r.Variants[0].Name, v.Name)
		if e == nil {
			continue
		}
		v.Versus = &Comparison{
			Difference: e.difference,
			Interval:   m.interval(e, t.level()),
			P:          math.Min(1, chance(m.logE(e, 0))*float64(len(r.Variants)-1)),
		}
		if control != 0 {
			v.Versus.Lift = e.difference / math.Abs(control)
		}
	}
}

// winner is the variant that is better than each other one for sure.
func (t *Test) winner(phases []phase) string {
	m := t.mixture()
	best := t.config.Variants[0].Name
	for _, v := range t.config.Variants[1:] { // who loses one comparison is out, so one walk leaves one candidate
		if e := t.evidence(phases, best, v.Name); e != nil && t.better(e) {
			best = v.Name
		}
	}
	for _, v := range t.config.Variants {
		if v.Name == best {
			continue
		}
		e := t.evidence(phases, v.Name, best)
		if e == nil || !t.better(e) || m.logE(e, 0) < -math.Log(t.level()) {
			return ""
		}
	}
	return best
}

// better says whether b looks better than a.
func (t *Test) better(e *evidence) bool {
	if t.config.LowerIsBetter {
		return e.difference < 0
	}
	return e.difference > 0
}

// String is a table for people.
func (r *Results) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "VARIANT\tOUTCOMES\tRATE\tMEAN\tVS CONTROL\tALWAYS VALID\tP")
	for _, v := range r.Variants {
		rate, mean := "-", "-"
		if v.Successes+v.Failures > 0 {
			rate = fmt.Sprintf("%.4f", v.Rate)
		}
		if v.Measured > 0 {
			mean = fmt.Sprintf("%.5g", v.Mean)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s", v.Name, v.Successes+v.Failures+v.Measured, rate, mean)
		if c := v.Versus; c != nil {
			fmt.Fprintf(w, "\t%+.4g\t%+.4g to %+.4g\t%.2g\n", c.Difference, c.Interval.Low, c.Interval.High, c.P)
		} else {
			fmt.Fprint(w, "\t-\t-\t-\n")
		}
	}
	switch {
	case r.Mismatch.Alarm:
		fmt.Fprintf(w, "no winner: the variants' shares of users are not those of their weights (p = %.2g)\n", r.Mismatch.P)
	case r.Winner == "":
		fmt.Fprintln(w, "no winner yet")
	default:
		fmt.Fprintf(w, "winner: %s\n", r.Winner)
	}
	if err := w.Flush(); err != nil {
		return err.Error() // a strings.Builder gives none
	}
	return strings.TrimSuffix(b.String(), "\n")
}
