package abtest

import (
	"math"
)

// An arm is what one variant counted in one phase.
type arm struct {
	successes, failures float64
	measured            float64
	mean, squares       float64
}

// A pair is a stratum: what two variants counted in one phase. The question is by how much b is above a.
type pair struct{ a, b arm }

// evidence is what strata say of a difference.
type evidence struct {
	size       float64 // sum of n·m/(n+m) over the strata, which information grows with
	difference float64 // the likeliest
	// against is twice the log-likelihood ratio against a difference: 0 at the likeliest, growing to both sides. Where it
	// is true, it grows like the square of a standard normal variable.
	against func(difference float64) float64
	// reach is the difference at which against reaches c, on the likeliest one's left (-1) or right (+1).
	reach func(c float64, side float64) float64
}

// A mixture is the normal mixture over effects whose sequential test is used. nu is where it is centred, in units of
// evidence.size: an effect's prior variance is 1/nu of an outcome's.
type mixture struct{ nu float64 }

// newMixture is the mixture that finds soonest what takes about horizon outcomes of two variants to find: at that size
// and level its boundary is lowest, see Waudby-Smith et al. on tuning.
func newMixture(horizon int, alpha float64) mixture {
	size := float64(horizon) / 4 // of two equal halves
	l := -2 * math.Log(alpha)
	return mixture{nu: size / (l + math.Log(l) + 1)}
}

// logE is the logarithm of the e-value against a difference: the chance that it ever exceeds log(1/alpha), if the
// difference is the true one, is at most alpha.
func (m mixture) logE(e *evidence, difference float64) float64 {
	return (e.against(difference)*e.size/(e.size+m.nu) - math.Log1p(e.size/m.nu)) / 2
}

// interval holds the differences that are not rejected at a level.
func (m mixture) interval(e *evidence, alpha float64) Interval {
	c := (e.size + m.nu) / e.size * (math.Log1p(e.size/m.nu) - 2*math.Log(alpha))
	return Interval{Low: e.reach(c, -1), High: e.reach(c, 1)}
}

// chance makes an e-value an always-valid p-value.
func chance(logE float64) float64 { return math.Min(1, math.Exp(-logE)) }

// minMeasured is how many numeric outcomes each variant needs in a phase before they are taken for about normal.
const minMeasured = 30

// compareMeans is the evidence of numeric outcomes; nil if there is too little.
func compareMeans(pairs []pair) *evidence {
	var size, difference, variance float64
	for _, p := range pairs {
		if p.a.measured < minMeasured || p.b.measured < minMeasured {
			continue
		}
		s := p.a.measured * p.b.measured / (p.a.measured + p.b.measured)
		both := (p.a.squares + p.b.squares) / (p.a.measured + p.b.measured - 2)
		size += s
		difference += s * (p.b.mean - p.a.mean)
		variance += s * s * (p.a.variance(both) + p.b.variance(both))
	}
	if size == 0 || variance == 0 {
		return nil
	}
	difference /= size
	deviation := math.Sqrt(variance) / size
	return &evidence{
		size: size, difference: difference,
		against: func(d float64) float64 { z := (d - difference) / deviation; return z * z },
		reach:   func(c, side float64) float64 { return difference + side*deviation*math.Sqrt(c) },
	}
}

// variance is that of the mean. It is made of no less than the variance of both arms together: of a skewed distribution,
// a small arm that has not met its rare large values yet has too low a mean and far too small a variance of its own.
func (a *arm) variance(both float64) float64 {
	return math.Max(both, a.squares/(a.measured-1)) / a.measured
}

// compareRates is the evidence of successes and failures; nil if there is none. Each stratum has a rate of its own, and
// all one difference.
func compareRates(pairs []pair) *evidence {
	var strata []pair
	var size float64
	for _, p := range pairs {
		n, m := p.a.successes+p.a.failures, p.b.successes+p.b.failures
		if n > 0 && m > 0 {
			strata = append(strata, p)
			size += n * m / (n + m)
		}
	}
	if len(strata) == 0 {
		return nil
	}
	likelihood := func(d float64) (sum float64) {
		for i := range strata {
			sum += strata[i].likelihood(d)
		}
		return sum
	}
	difference, most := 0.0, 0.0
	if len(strata) == 1 {
		a, b := strata[0].a, strata[0].b
		below, above := a.successes/(a.successes+a.failures), b.successes/(b.successes+b.failures)
		difference, most = above-below, a.likelihood(below)+b.likelihood(above)
	} else {
		difference = likeliest(strata)
		most = likelihood(difference)
	}
	against := func(d float64) float64 { return math.Max(0, 2*(most-likelihood(d))) }
	return &evidence{
		size: size, difference: difference, against: against,
		reach: func(c, side float64) float64 {
			// The likelihood is concave in d, so there is one such place, or none before the end.
			near, far := difference, side
			if against(far) <= c {
				return far
			}
			return bisect(near, far, func(d float64) bool { return against(d) <= c })
		},
	}
}

// likeliest is the difference of greatest likelihood over all strata.
func likeliest(strata []pair) float64 {
	return bisect(-1, 1, func(d float64) bool {
		slope := 0.0
		for i := range strata {
			slope += strata[i].slope(d)
		}
		return slope > 0
	})
}

// likelihood is the greatest log-likelihood of a stratum in which b's rate is d above a's.
func (p *pair) likelihood(d float64) float64 {
	rate := p.rate(d)
	return p.a.likelihood(rate) + p.b.likelihood(clamp(rate+d))
}

// slope is how likelihood grows with d. Where a's rate is free, it is b's slope and that of a turned around; where one of
// the two rates is held at 0 or 1, it is the other's.
func (p *pair) slope(d float64) float64 {
	rate := p.rate(d)
	above := clamp(rate + d)
	if math.Min(rate, 1-rate) > math.Min(above, 1-above) {
		return ratio(p.a.failures, 1-rate) - ratio(p.a.successes, rate)
	}
	return ratio(p.b.successes, above) - ratio(p.b.failures, 1-above)
}

func (a *arm) likelihood(rate float64) float64 {
	return xlog(a.successes, rate) + xlog(a.failures, 1-rate)
}

// rate is a's likeliest rate if b's is d above it.
func (p *pair) rate(d float64) float64 {
	if d == 0 {
		s, f := p.a.successes+p.b.successes, p.a.failures+p.b.failures
		return s / (s + f)
	}
	return bisect(math.Max(0, -d), math.Min(1, 1-d), func(rate float64) bool {
		above := clamp(rate + d)
		return ratio(p.a.successes, rate)+ratio(p.b.successes, above) > ratio(p.a.failures, 1-rate)+ratio(p.b.failures, 1-above)
	})
}

// bisect finds where holds, which does at near and not at far, ceases to.
func bisect(near, far float64, holds func(float64) bool) float64 {
	for range 60 {
		middle := near + (far-near)/2
		if middle == near || middle == far {
			break
		}
		if holds(middle) {
			near = middle
		} else {
			far = middle
		}
	}
	return near + (far-near)/2
}

func clamp(rate float64) float64 { return math.Min(1, math.Max(0, rate)) }

// ratio is n/x, where 0/0 is 0: what did not happen says nothing.
func ratio(n, x float64) float64 {
	if n == 0 {
		return 0
	}
	return n / x
}

// xlog is n·log(x), where 0·log(0) is 0.
func xlog(n, x float64) float64 {
	if n == 0 {
		return 0
	}
	return n * math.Log(x)
}
