package abtest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// build makes a test of variants called A, B, C … with these weights.
func build(t testing.TB, weights ...float64) *Test {
	t.Helper()
	test, err := New(Config{Name: "fraud", Variants: variants(weights...)})
	require.NoError(t, err)
	return test
}

func variants(weights ...float64) []Variant {
	var out []Variant
	for i, w := range weights {
		out = append(out, Variant{Name: string(rune('A' + i)), URI: fmt.Sprintf("models:/fraud/%d", i+1), Weight: w})
	}
	return out
}

// assigned joins the variants of some users.
func assigned(t *Test, users ...string) string {
	var names []string
	for _, u := range users {
		names = append(names, t.Assign(u).Name)
	}
	return strings.Join(names, " ")
}

// The answers are those of a program in Python with 50 decimal places, written from Assign's comment: they must be
// the same for good, on every machine.
func TestAssignKnownAnswers(t *testing.T) {
	users := []string{"user_12345", "", "0", "ünï", strings.Repeat("x", 1000)}
	for i := range 25 {
		users = append(users, "user-"+strconv.Itoa(i))
	}
	ramped, err := build(t, 0.9, 0.1).Ramp(Weights{"A": 0.5, "B": 0.5})
	require.NoError(t, err)
	config := ramped.Config()
	config.Earlier = append(config.Earlier, Weights{"A": 0.5, "B": 0.5})
	config.Variants = variants(0.2, 0.4, 0.4)
	ramped, err = New(config)
	require.NoError(t, err)
	thirds, err := New(Config{Name: "other", Salt: "colour-2", Variants: []Variant{
		{"rot", "models:/m/1", 1. / 3}, {"blau", "models:/m/2", 1. / 3}, {"grün", "models:/m/3", 1. / 3},
	}})
	require.NoError(t, err)
	for _, c := range []struct {
		test   *Test
		want   string
		digest string // of the first letters of 2,000 users' variants
	}{
		{build(t, 0.5, 0.5), "A A A A B B A A B B B A B A B B A A B A A A B A A B B A A A",
			"1c321997a368e6202718d178033a4d6680f70f6e635986b0b5eae9676d022120"},
		{build(t, 0.9, 0.1), "A A A A A A A A B A A A B A A A A A A A A A A A A A A A A A",
			"cdafa446dc31f0303de969941cd340a2b2be837fadbe00a724a175c25ddc7b60"},
		{thirds, "grün grün grün blau rot blau blau blau rot grün rot rot blau rot blau blau rot blau grün rot rot rot grün blau rot rot grün grün rot blau",
			"34d10a0e24060c8cdbd9ffd91068de06a2aa7916a8bfeee27aff33ba25e5e382"},
		{ramped, "C B C B B A C B B C A C B B C C C C A C C B B C A C B A A A",
			"64fca46eeba90c0a33fb1d830f86efc4f66eb4de31b0d4d658ab750b487c99c4"},
	} {
		require.Equal(t, c.want, assigned(c.test, users...))
		letters := sha256.New()
		for i := range 2000 {
			letters.Write([]byte{c.test.Assign(strconv.Itoa(i)).Name[0]})
		}
		require.Equal(t, c.digest, hex.EncodeToString(letters.Sum(nil)))
	}
}

func TestAssignDependsOnWhatItSays(t *testing.T) {
	a := build(t, 0.5, 0.3, 0.2)
	config := a.Config()
	config.Name, config.Alpha, config.Metric = "another name, of the same salt", 0.01, Mean
	config.Variants[0], config.Variants[2] = config.Variants[2], config.Variants[0]
	config.Variants[1].URI = "models:/other@champion"
	same, err := New(config)
	require.NoError(t, err)
	config.Salt = "other"
	salted, err := New(config)
	require.NoError(t, err)
	const users = 10_000
	moved := 0
	for i := range users {
		user := strconv.Itoa(i)
		require.Equal(t, a.Assign(user).Name, same.Assign(user).Name)
		if a.Assign(user).Name != salted.Assign(user).Name {
			moved++
		}
	}
	// Independent assignments agree with the probability 0.25+0.09+0.04.
	within(t, "users with another salt", moved, users, 0.62)
}

// within proves that count of n is a share p within five standard errors.
func within(t *testing.T, what string, count, n int, p float64) {
	t.Helper()
	require.InDelta(t, p, float64(count)/float64(n), 5*math.Sqrt(p*(1-p)/float64(n))+1e-9, what)
}

func TestUsersAreSharedByWeight(t *testing.T) {
	const users = 50_000
	for _, weights := range [][]float64{{0.5, 0.5}, {0.99, 0.01}, {0.001, 0.999}, {0.2, 0.2, 0.6}, {1. / 3, 1. / 3, 1. / 3}, {0.1, 0.05, 0.15, 0.3, 0.4}} {
		test := build(t, weights...)
		counts := map[string]int{}
		for i := range users {
			counts[test.Assign(strconv.Itoa(i)).Name]++
		}
		for _, v := range test.Variants() {
			within(t, fmt.Sprint(v.Name, " of ", weights), counts[v.Name], users, v.Weight)
		}
	}
}

// A change of weights cannot move fewer users than half the sum of what the weights change by. It moves no more, and
// each from a variant that shrinks to one that grows, also after many changes.
func TestRampMovesTheFewest(t *testing.T) {
	const users = 30_000
	test := build(t, 0.97, 0.01, 0.02)
	for step, weights := range []Weights{
		{"A": 0.90, "B": 0.05, "C": 0.05},
		{"A": 0.50, "B": 0.45, "C": 0.05},
		{"A": 0.30, "B": 0.45, "C": 0.25}, // B, in the middle, keeps everybody
		{"A": 0.40, "B": 0.20, "C": 0.40},
		{"A": 0.40, "B": 0.20, "C": 0.40}, // none
		{"A": 1. / 3, "B": 1. / 3, "C": 1. / 3},
		{"A": 0.97, "B": 0.01, "C": 0.02},
		{"A": 0, "B": 0.50, "C": 0.50},
	} {
		before := test.Config().weights()
		next, err := test.Ramp(weights)
		require.NoError(t, err)
		least := 0.0
		for name := range before {
			least += math.Abs(weights[name]-before[name]) / 2
		}
		moved, counts := 0, map[string]int{}
		for i := range users {
			user := strconv.Itoa(i)
			from, to := test.Assign(user).Name, next.Assign(user).Name
			counts[to]++
			if from == to {
				continue
			}
			moved++
			require.Less(t, weights[from], before[from], "step %d: user left %s", step, from)
			require.Greater(t, weights[to], before[to], "step %d: user came to %s", step, to)
		}
		within(t, fmt.Sprint("moved in step ", step), moved, users, least)
		for name, w := range weights {
			within(t, fmt.Sprint(name, " after step ", step), counts[name], users, w)
		}
		test = next
	}
	require.Len(t, test.Variants(), 2)
}

// Without the history two variants still exchange the fewest, and a variant that is taken out leaves the others' users
// where they are.
func TestChangesWithoutHistory(t *testing.T) {
	const users = 30_000
	ninety, half := build(t, 0.9, 0.1), build(t, 0.5, 0.5)
	three, two := build(t, 0.5, 0.3, 0.2), build(t, 0.625, 0.375) // C's 0.2 goes to A and B as 5 to 3
	moved := 0
	for i := range users {
		user := strconv.Itoa(i)
		if from, to := ninety.Assign(user).Name, half.Assign(user).Name; from != to {
			moved++
			require.Equal(t, "A", from)
		}
		if from, to := three.Assign(user).Name, two.Assign(user).Name; from != to {
			require.Equal(t, "C", from)
		}
	}
	within(t, "moved", moved, users, 0.4)
}

func TestMinusLog2(t *testing.T) {
	for _, u := range []uint64{0, 1, 2, 3, 1 << 20, 1<<63 - 1, 1 << 63, 3 << 62, math.MaxUint64 - 5, math.MaxUint64, 0x123456789abcdef0} {
		want := 64 - math.Log2(float64(u|1))
		require.InDelta(t, want, float64(minusLog2(u))/(1<<logBits), 1e-13*64, "%d", u)
		require.Positive(t, minusLog2(u))
	}
}

func BenchmarkAssign(b *testing.B) {
	test := build(b, 0.5, 0.5)
	b.ReportAllocs()
	for b.Loop() {
		test.Assign("user_12345")
	}
}
