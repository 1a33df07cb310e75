package sqldb

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
)

func TestRowConditionsSayWhatPositionConditionsSay(t *testing.T) {
	ids := []int64{1, 2, 9, 10, 15, 16, 17, 255, 256, 4096, 65535, 1 << 40}
	values := []string{"", "0", "00", "zz", "0000000000000000", "000000000000000f", "000000000000000fx", "0000000000000010", "000000000000001", "00000000000000FF",
		"00000000000000ff", "0000000000001000", "7fffffffffffffff", "8000000000000000", "é"}
	holds := func(c backend.Cond, v backend.Value) bool {
		n := v.Compare(c.Value)
		switch c.Op {
		case backend.Eq:
			return n == 0
		case backend.In:
			return slices.Contains(c.Values, v)
		case backend.Lt:
			return n < 0
		case backend.Le:
			return n <= 0
		case backend.Gt:
			return n > 0
		case backend.Ge:
			return n >= 0
		}
		return strings.HasPrefix(v.Str(), c.Value.Str())
	}
	for op := backend.Eq; op <= backend.Prefix; op++ {
		for _, value := range values {
			c := backend.Cond{Op: op, Value: backend.StringValue(value), Values: []backend.Value{backend.StringValue(value)}}
			for _, id := range ids {
				want := holds(c, backend.StringValue(rowPosition(id)))
				got := true
				for _, rc := range rowConds(c) {
					got = got && holds(rc, backend.IntValue(id))
				}
				require.Equal(t, want, got, "id %d, op %d, value %q", id, op, value)
			}
		}
	}
	for _, value := range values {
		for _, id := range ids {
			require.Equal(t, rowPosition(id) > value, id > rowAfter(value, false), "%d after %q", id, value)
			require.Equal(t, rowPosition(id) < value, id < rowAfter(value, true), "%d before %q", id, value)
		}
	}
}

func TestPositionsOfTransactionsAreInOrder(t *testing.T) {
	last := ""
	for _, p := range []string{
		txPosition(0, 1, 1), txPosition(0, 1, 2), txPosition(0, 1, 300), txPosition(0, 2, 1), txPosition(0, math.MaxInt64, 1), txPosition(1, 1, 1), txPosition(16, 1, 1),
	} {
		require.Less(t, last, p)
		require.LessOrEqual(t, len(p), 64)
		last = p
	}
}

func TestPrefixEndIsTheLeastStringAbove(t *testing.T) {
	for prefix, want := range map[string]string{"a": "b", "az": "a{", "a\U0010ffff": "b", "\ud7ff": "\ue000", "é": "ê", "\u007f": "\u0080"} {
		end, ok := prefixEnd(prefix)
		require.True(t, ok)
		require.Equal(t, want, end, "%q", prefix)
		require.Greater(t, end, prefix+"\U0010ffff")
	}
	for _, prefix := range []string{"", "\U0010ffff", "\U0010ffff\U0010ffff"} {
		_, ok := prefixEnd(prefix)
		require.False(t, ok)
	}
}

func TestShorteningKeepsOrder(t *testing.T) {
	alphabet := []rune{'a', 'b', 'é', '日', '\U0010ffff'}
	random := func() string {
		b := make([]rune, rand.IntN(6))
		for i := range b {
			b[i] = alphabet[rand.IntN(len(alphabet))]
		}
		return string(b)
	}
	for range 10000 {
		a, b := random(), random()
		if c := strings.Compare(firstChars(a, 3), firstChars(b, 3)); c != 0 {
			require.Equal(t, strings.Compare(a, b), c, "%q %q", a, b)
		}
		require.LessOrEqual(t, cmp.Compare(len([]rune(firstChars(a, 3))), 3), 0)
	}
}
