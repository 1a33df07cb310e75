package kv

import (
	"bytes"
	"cmp"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
)

func FuzzKeyOrder(f *testing.F) {
	f.Add("a", int64(1), "a\x01", int64(-1))
	f.Add("", int64(math.MinInt64), "\U0010ffff", int64(math.MaxInt64))
	f.Add("10", int64(10), "9", int64(9))
	parts := []backend.Field{{Name: "s"}, {Name: "n", Kind: backend.Int}}
	f.Fuzz(func(t *testing.T, s1 string, n1 int64, s2 string, n2 int64) {
		if bytes.ContainsRune([]byte(s1+s2), 0) {
			return // the registry refuses NUL before any backend sees it
		}
		k1 := backend.Key{backend.StringValue(s1), backend.IntValue(n1)}
		k2 := backend.Key{backend.StringValue(s2), backend.IntValue(n2)}
		e1, e2 := appendKey(nil, k1), appendKey(nil, k2)
		require.Equal(t, k1.Compare(k2), bytes.Compare(e1, e2))
		back, err := decodeKey(e1, parts)
		require.NoError(t, err)
		require.Equal(t, k1, back)
	})
}

func TestNumbersSortAsTheirBytes(t *testing.T) {
	t.Parallel()
	g := rand.New(rand.NewPCG(1, 2))
	edges := []float64{0, math.Copysign(0, -1), 1, -1, math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1)}
	float := func() float64 {
		if g.IntN(2) == 0 {
			return edges[g.IntN(len(edges))]
		}
		return g.NormFloat64() * math.Pow(10, float64(g.IntN(600)-300))
	}
	integer := func() int64 { return int64(g.Uint64()) >> g.IntN(64) }
	for range 20_000 {
		for _, pair := range [][2]backend.Value{
			{backend.FloatValue(float()), backend.FloatValue(float())},
			{backend.IntValue(integer()), backend.IntValue(integer())},
			{backend.MicrosValue(integer()), backend.MicrosValue(integer())},
		} {
			got := bytes.Compare(appendRaw(nil, pair[0]), appendRaw(nil, pair[1]))
			require.Equal(t, pair[0].Compare(pair[1]), got, "%v and %v", pair[0], pair[1])
		}
	}
}

func TestPrefixEndIsTheFirstKeyBehindThePrefix(t *testing.T) {
	t.Parallel()
	require.Nil(t, prefixEnd(nil))
	require.Nil(t, prefixEnd([]byte{0xff, 0xff}))
	require.Equal(t, []byte{0x01}, prefixEnd([]byte{0x00, 0xff}))
	require.Equal(t, []byte("b"), prefixEnd([]byte("a")))
}

// An index holds the first kibibyte of a string: shorter ones sort exactly, longer ones among those with the same beginning.
func TestIndexedStringsSortAsTheirBeginnings(t *testing.T) {
	t.Parallel()
	g := rand.New(rand.NewPCG(3, 4))
	str := func() []byte {
		b := bytes.Repeat([]byte("a"), g.IntN(3)*maxIndexed/2+g.IntN(3))
		for range g.IntN(4) {
			b = append(b, byte(1+g.IntN(3)))
		}
		return b
	}
	for range 5_000 {
		a, b := str(), str()
		cutA, cutB := a[:min(len(a), maxIndexed)], b[:min(len(b), maxIndexed)]
		got := bytes.Compare(appendIndexed(nil, a, backend.String), appendIndexed(nil, b, backend.String))
		require.Equal(t, bytes.Compare(cutA, cutB), got)
		if got != 0 {
			require.Equal(t, cmp.Compare(bytes.Compare(a, b), 0), got)
		}
	}
}

func TestDamagedRowsAreRefused(t *testing.T) {
	t.Parallel()
	tbl := &table{fields: []backend.Field{{Name: "f"}}, zero: [][]byte{{}}}
	value := tbl.encodeRow(backend.Row{Fields: map[string]any{"f": backend.StringValue("long enough")}, Doc: []byte("{}")})
	fields, doc, err := splitRow(value)
	require.NoError(t, err)
	require.Equal(t, "{}", string(doc))
	content, err := tbl.content(fields, 0)
	require.NoError(t, err)
	require.Equal(t, "long enough", string(content))

	_, _, err = splitRow(value[:5])
	require.ErrorIs(t, err, errCorrupt)
	_, err = tbl.content(fields[:5], 0)
	require.ErrorIs(t, err, errCorrupt)
	_, err = decodeKey([]byte("no end"), []backend.Field{{Name: "s"}})
	require.ErrorIs(t, err, errCorrupt)
	_, err = decodeKey([]byte{1, 2, 3}, []backend.Field{{Name: "n", Kind: backend.Int}})
	require.ErrorIs(t, err, errCorrupt)
}
