package abtest

import (
	"maps"
	"math"
	"slices"

	"github.com/modelregistry-go/modelregistry"
)

// concentration is that of the Dirichlet prior around the weights: shares that are off by some hundredths are found
// soonest.
const concentration = 500

// mismatch is the logarithm of the e-value against shares as the weights say: Lindon and Malek's Dirichlet-multinomial
// mixture, multiplied over the phases.
func mismatch(metric Metric, phases []phase) float64 {
	logE := 0.0
	for _, p := range phases {
		count := counter(metric, p)
		total := 0.0
		for _, name := range slices.Sorted(maps.Keys(p.weights)) {
			weight, n := p.weights[name], float64(count(p.tallies[name]))
			total += n
			logE += lgamma(concentration*weight+n) - lgamma(concentration*weight) - n*math.Log(weight)
		}
		logE += lgamma(concentration) - lgamma(concentration+total)
	}
	return logE
}

// counter is what users are counted by in a phase.
func counter(metric Metric, p phase) func(modelregistry.Tally) int64 {
	for _, t := range p.tallies {
		if t.Exposed > 0 {
			return func(t modelregistry.Tally) int64 { return t.Exposed }
		}
	}
	if metric == Mean {
		return func(t modelregistry.Tally) int64 { return t.Measured }
	}
	return func(t modelregistry.Tally) int64 { return t.Successes + t.Failures }
}

func lgamma(x float64) float64 {
	l, _ := math.Lgamma(x)
	return l
}
