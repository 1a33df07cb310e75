package abtest

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"math"
	"math/bits"
	"slices"
	"strconv"
)

// Everything here is integers: the last bits of floating-point logarithms and products differ between processors, and
// a user must not change sides with the machine.

// shareBits is how finely shares are told apart: a share of 1 is 1<<shareBits.
const shareBits = 52

func share(weight float64) uint64 { return uint64(math.Ldexp(weight, shareBits)) }

// A step is one set of weights that the test has or had. The first step places everybody; each later one moves who
// has to move.
type step struct {
	number string
	names  []string // in byte order, so that the order of variants in the config means nothing
	shares []uint64
	before []uint64 // shares in the step before, of the same names
	growth uint64   // the sum of what shares grow by
}

func plan(c Config) []step {
	var steps []step
	old := Weights{}
	for i, w := range append(slices.Clone(c.Earlier), c.weights()) {
		union := maps.Clone(w)
		maps.Copy(union, old)
		s := step{number: strconv.Itoa(i), names: slices.Sorted(maps.Keys(union))}
		for _, name := range s.names {
			now, before := share(w[name]), share(old[name])
			s.shares = append(s.shares, now)
			s.before = append(s.before, before)
			if now > before {
				s.growth += now - before
			}
		}
		steps = append(steps, s)
		old = w
	}
	return steps
}

// Assign is the variant that serves a user. It depends on the Config's Salt, Variants and Earlier alone, and takes
// about a microsecond; user may be any text, such as an ID.
//
// A user's luck is SHA-256 of the salt, a NUL, a label, a NUL and the user. At first, by weighted rendezvous hashing,
// users go to the variant with the least −log(luck)/weight, the label being the variant's name. With each later set of
// weights, those in a variant that shrinks leave it with the probability that it shrinks by, and spread over the
// variants that grow; the label is a NUL and the number of the set then.
func (t *Test) Assign(user string) Variant {
	var buf [256]byte
	h := hasher{salt: t.config.Salt, user: user, buf: buf[:0]}
	first := &t.steps[0]
	name := first.place(&h)
	for i := range t.steps[1:] {
		name = t.steps[1+i].move(&h, name)
	}
	for _, v := range t.config.Variants {
		if v.Name == name {
			return v
		}
	}
	return t.config.Variants[0] // weights that sum to a hair less than before have nowhere to move somebody to
}

type hasher struct {
	salt, user string
	buf        []byte
}

// luck is two numbers that are uniform in 0 to 1<<64-1.
func (h *hasher) luck(prefix, label string) (u, v uint64) {
	b := append(append(h.buf[:0], h.salt...), 0)
	b = append(append(append(b, prefix...), label...), 0)
	sum := sha256.Sum256(append(b, h.user...))
	return binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:16])
}

// place picks variants with probabilities equal to their shares: exponential variates race at rates equal to these.
func (s *step) place(h *hasher) string {
	best, bestTime := 0, uint64(0)
	for i, name := range s.names {
		u, _ := h.luck("", name)
		time := minusLog2(u)
		if i > 0 {
			// time/share < bestTime/bestShare, without rounding
			hi, lo := bits.Mul64(time, s.shares[best])
			bestHi, bestLo := bits.Mul64(bestTime, s.shares[i])
			if hi > bestHi || hi == bestHi && lo >= bestLo {
				continue
			}
		}
		best, bestTime = i, time
	}
	return s.names[best]
}

// move is where the step leaves a user who is in a variant.
func (s *step) move(h *hasher, from string) string {
	i, ok := slices.BinarySearch(s.names, from)
	if !ok || s.shares[i] >= s.before[i] || s.growth == 0 {
		return from
	}
	u, v := h.luck("\x00", s.number)
	if stay, _ := bits.Mul64(u, s.before[i]); stay >= s.before[i]-s.shares[i] {
		return from
	}
	ticket, _ := bits.Mul64(v, s.growth)
	for j, name := range s.names {
		if s.shares[j] <= s.before[j] {
			continue
		}
		if grows := s.shares[j] - s.before[j]; ticket >= grows {
			ticket -= grows
			continue
		}
		return name
	}
	return from
}

// logBits is the number of binary places of minusLog2.
const logBits = 48

// minusLog2 is −log2(u/2^64) as a fixed-point number, rounded up; 0 counts as 1.
func minusLog2(u uint64) uint64 {
	u |= 1 // the last bit makes no difference, but log2(0) would
	zeros := bits.LeadingZeros64(u)
	log := uint64(63-zeros) << logBits
	x := u << zeros // in [1, 2), of which a square's being 2 or more tells the next place
	for place := uint64(1) << (logBits - 1); place > 0; place >>= 1 {
		hi, lo := bits.Mul64(x, x)
		if hi>>63 == 1 {
			log |= place
			x = hi
		} else {
			x = hi<<1 | lo>>63
		}
	}
	return 64<<logBits - log
}
