package modelregistry

import (
	"cmp"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/Masterminds/semver/v3"
	"github.com/stretchr/testify/require"
)

func mustSemver(t testing.TB, s string) Semver {
	t.Helper()
	v, err := ParseSemver(s)
	require.NoError(t, err)
	return v
}

func TestParseSemver(t *testing.T) {
	for in, want := range map[string]Semver{
		"1.2.3":                       {Major: 1, Minor: 2, Patch: 3},
		"v1.2.3":                      {Major: 1, Minor: 2, Patch: 3},
		"0.0.1":                       {Patch: 1},
		"0.0.0-alpha":                 {Prerelease: "alpha"},
		"1.0.0-rc.1+build.05":         {Major: 1, Prerelease: "rc.1", Build: "build.05"},
		"1.0.0+a-b":                   {Major: 1, Build: "a-b"},
		"1.0.0---":                    {Major: 1, Prerelease: "--"},
		"2024.1.999999999999999999":   {Major: 2024, Minor: 1, Patch: 999999999999999999},
		"1.0.0-0.x-1.00a":             {Major: 1, Prerelease: "0.x-1.00a"},
		"10.20.30-" + longest("a", 9): {Major: 10, Minor: 20, Patch: 30, Prerelease: longest("a", 9)},
	} {
		got, err := ParseSemver(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
		require.Equal(t, strings.TrimPrefix(in, "v"), got.String())
	}
}

// longest pads to the longest semantic version that has used bytes in front.
func longest(s string, used int) string { return strings.Repeat(s, maxSemverLen-used) }

func TestParseSemverRefuses(t *testing.T) {
	for in, says := range map[string]string{
		"":                                    "three numbers, such as 1.2.0",
		"1":                                   "three numbers",
		"1.2":                                 "three numbers",
		"1.2.3.4":                             "three numbers",
		"V1.2.3":                              "three numbers",
		"vv1.2.3":                             "three numbers",
		" 1.2.3":                              "three numbers",
		"1.2.-3":                              "three numbers",
		"1.2.x":                               "three numbers",
		"1.2.٣":                               "three numbers",
		"0.0.0":                               "0.0.0 stands for no version",
		"0.0.0+b":                             "0.0.0 stands for no version",
		"1.02.3":                              "begins with 0",
		"1.2.9999999999999999999":             "more than 18 digits",
		"1.2.3-":                              "in the prerelease (after -), an identifier is empty",
		"1.2.3-a..b":                          "an identifier is empty",
		"1.2.3-01":                            "a number begins with 0",
		"1.2.3-a_b":                           "other than a letter, a digit or a hyphen",
		"1.2.3+":                              "in the build metadata (after +), an identifier is empty",
		"1.2.3+a+b":                           "other than a letter",
		"1.2.3-a\x00":                         "other than a letter",
		"1.2.3-" + longest("a", 5):            "longer than 128 characters",
		"1.2.3-" + strings.Repeat("a", 1<<20): "longer than 128 characters",
	} {
		_, err := ParseSemver(in)
		require.ErrorIs(t, err, ErrInvalid, in)
		require.ErrorContains(t, err, says, in)
		require.Less(t, len(err.Error()), 500)
	}
}

func TestSemverJSON(t *testing.T) {
	type doc struct {
		V Semver `json:"v,omitzero"`
		R Range  `json:"r,omitzero"`
	}
	in := doc{V: mustSemver(t, "1.2.3-rc.1+b")}
	in.R, _ = ParseRange("^1.2")
	data, err := json.Marshal(in)
	require.NoError(t, err)
	require.JSONEq(t, `{"v":"1.2.3-rc.1+b","r":"^1.2"}`, string(data))
	var out doc
	require.NoError(t, json.Unmarshal(data, &out))
	require.Equal(t, in.V, out.V)
	require.Equal(t, in.R.String(), out.R.String())

	data, err = json.Marshal(doc{})
	require.NoError(t, err)
	require.JSONEq(t, `{}`, string(data))
	require.NoError(t, json.Unmarshal([]byte(`{"v":"","r":""}`), &out))
	require.True(t, out.V.IsZero())
	require.True(t, out.R.IsZero())
	require.ErrorIs(t, json.Unmarshal([]byte(`{"v":"1.2"}`), &out), ErrInvalid)
	require.ErrorIs(t, json.Unmarshal([]byte(`{"r":"1.2.3.4"}`), &out), ErrInvalid)
}

// The precedence list of semver.org, then what its rules say of numbers, words and lengths.
func TestSemverOrder(t *testing.T) {
	ordered := []string{
		"0.0.0-0", "0.0.1", "0.1.0",
		"1.0.0-0", "1.0.0-2", "1.0.0-10", "1.0.0-10.a", "1.0.0--", "1.0.0-0a", "1.0.0-A", "1.0.0-alpha", "1.0.0-alpha.1",
		"1.0.0-alpha.beta", "1.0.0-alpha-", "1.0.0-alphA0", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0",
		"1.0.1", "1.2.0", "1.10.0", "2.0.0", "2.1.0", "2.1.1", "10.0.0", "999999999999999999.0.0",
	}
	vs := []Semver{{}}
	for _, s := range ordered {
		vs = append(vs, mustSemver(t, s))
	}
	slices.SortStableFunc(vs, Semver.Compare)
	for i, v := range vs {
		for j, w := range vs {
			require.Equal(t, cmp.Compare(i, j), v.Compare(w), "%s, %s", v, w)
			require.Equal(t, cmp.Compare(i, j), strings.Compare(v.SortKey(), w.SortKey()), "%s, %s", v, w)
		}
	}
	a, b := mustSemver(t, "1.0.0+a"), mustSemver(t, "1.0.0+b")
	require.NotEqual(t, a, b)
	require.Zero(t, a.Compare(b))
	require.Equal(t, a.SortKey(), b.SortKey())
}

func TestSemverAgreesWithMasterminds(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		a, b := randomSemver(rnd), randomSemver(rnd)
		x, err := semver.StrictNewVersion(a.String())
		require.NoError(t, err)
		y, err := semver.StrictNewVersion(b.String())
		require.NoError(t, err)
		require.Equal(t, x.Compare(y), a.Compare(b), "%s, %s", a, b)
		require.Equal(t, x.Compare(y), strings.Compare(a.SortKey(), b.SortKey()), "%s, %s", a, b)
	}
}

func randomSemver(rnd *rand.Rand) Semver {
	n := func() uint64 { return []uint64{0, 1, 2, 9, 10, 11, 100}[rnd.IntN(7)] }
	v := Semver{Major: 1 + n(), Minor: n(), Patch: n()}
	ids := []string{"0", "1", "9", "10", "a", "A", "a-", "-", "0a", "b", "rc"}
	for range max(0, rnd.IntN(5)-1) {
		if v.Prerelease != "" {
			v.Prerelease += "."
		}
		v.Prerelease += ids[rnd.IntN(len(ids))]
	}
	return v
}

func TestBump(t *testing.T) {
	for _, c := range []struct{ from, major, minor, patch string }{
		{"1.2.3", "2.0.0", "1.3.0", "1.2.4"},
		{"1.2.3+b", "2.0.0", "1.3.0", "1.2.4"},
		{"1.2.3-rc.1", "2.0.0", "1.3.0", "1.2.3"},
		{"1.2.0-rc.1", "2.0.0", "1.2.0", "1.2.0"},
		{"2.0.0-rc.1", "2.0.0", "2.0.0", "2.0.0"},
		{"0.0.0-a", "1.0.0", "0.1.0", "0.0.1"},
		{"", "1.0.0", "0.1.0", "0.0.1"},
	} {
		var from Semver
		require.NoError(t, from.UnmarshalText([]byte(c.from)))
		for part, want := range map[Bump]string{BumpMajor: c.major, "MINOR": c.minor, BumpPatch: c.patch} {
			got, err := from.Bump(part)
			require.NoError(t, err)
			require.Equal(t, want, got.String(), "%s by %s", from, part)
			require.Positive(t, got.Compare(from))
		}
	}
	_, err := Semver{Patch: 1}.Bump("huge")
	require.ErrorIs(t, err, ErrInvalid)
	require.ErrorContains(t, err, "not one of major, minor, patch")
	_, err = Semver{Patch: 999999999999999999}.Bump(BumpPatch)
	require.ErrorIs(t, err, ErrInvalid)
	_, err = ParseBump("")
	require.ErrorIs(t, err, ErrInvalid)
}

func TestRange(t *testing.T) {
	for _, c := range []struct{ in, holds, not string }{
		{"^1.2", "1.2.0 1.9.9 1.2.0+b", "1.1.9 2.0.0 1.3.0-rc.1 0.9.0"},
		{"^0.2.3", "0.2.3 0.2.9", "0.3.0 0.2.2"},
		{"~1.2.3", "1.2.3 1.2.99", "1.3.0 1.2.2"},
		{"~1", "1.0.0 1.9.9", "2.0.0"},
		{"~0.0.0", "0.0.1 0.0.9", "0.1.0 5.0.0"},
		{"~0.0.0-a", "0.0.0-a 0.0.1", "0.1.0 5.0.0"},
		{"1.2.x", "1.2.0 1.2.7", "1.3.0 1.1.0"},
		{"1.X", "1.0.0 1.99.0", "2.0.0"},
		{"*", "0.0.1 99.0.0", "1.0.0-a"},
		{">=1.0 <2", "1.0.0 1.99.0", "2.0.0 0.9.9"},
		{">=1.0,<2", "1.0.0 1.99.0", "2.0.0 0.9.9"},
		{"  >= 1.0   < 2 ", "1.0.0 1.99.0", "2.0.0 0.9.9"},
		{"1.2 - 1.4", "1.2.0 1.4.0 1.4.9", "1.5.0 1.1.9"},
		{"^1.2 || ^3", "1.2.0 3.5.0", "2.0.0 4.0.0"},
		{">=1.2.0-0", "1.2.0-0 1.2.0-rc.1 1.2.0 2.0.0", "1.1.9"},
		{"!=1.2.3", "1.2.4", "1.2.3"},
		{"=1.2.3", "1.2.3", "1.2.4"},
		{"v1.2.3", "1.2.3", "1.2.4"},
	} {
		r, err := ParseRange(c.in)
		require.NoError(t, err, c.in)
		for v := range strings.FieldsSeq(c.holds) {
			require.True(t, r.Contains(mustSemver(t, v)), "%s holds %s", r, v)
		}
		for v := range strings.FieldsSeq(c.not) {
			require.False(t, r.Contains(mustSemver(t, v)), "%s holds %s", r, v)
		}
		require.False(t, r.Contains(Semver{}))
	}
	require.False(t, Range{}.Contains(Semver{Major: 1}))
	for _, bad := range []string{"", " ", "a", "1.2.3.4", "^", "1|2", "^1 ||", "Box", "-1", "1e3", "^1\x00", "^1\xff", strings.Repeat("^1 ", 1<<20), "99999999999999999999"} {
		_, err := ParseRange(bad)
		require.ErrorIs(t, err, ErrInvalid, "%.20q", bad)
		require.Less(t, len(err.Error()), 500)
	}
}

func FuzzParseSemver(f *testing.F) {
	for _, s := range []string{"1.2.3", "v1.2.3-rc.1+b", "0.0.0", "1.02.3", "^1.2", ">=1.0 <2", "1.2 - 1.4", "1.x || ~2.0.0", "1.2.3-" + strconv.Itoa(1<<40)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := ParseRange(s); err == nil {
			again, err := ParseRange(r.String())
			require.NoError(t, err)
			require.Equal(t, r.String(), again.String())
			r.Contains(Semver{Major: 1})
		} else {
			require.ErrorIs(t, err, ErrInvalid)
		}
		v, err := ParseSemver(s)
		if err != nil {
			require.ErrorIs(t, err, ErrInvalid)
			return
		}
		again, err := ParseSemver(v.String())
		require.NoError(t, err)
		require.Equal(t, v, again)
		_, err = semver.StrictNewVersion(v.String())
		require.NoError(t, err, "what we take, everybody takes")
		require.Zero(t, v.Compare(again))
		for _, part := range []Bump{BumpMajor, BumpMinor, BumpPatch} {
			if next, err := v.Bump(part); err == nil {
				require.Positive(t, next.Compare(v))
				require.Greater(t, next.SortKey(), v.SortKey())
			}
		}
	})
}
