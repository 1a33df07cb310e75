package modelregistry

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/memory"
)

// counted counts the statements that a search makes.
type counted struct {
	backend.Backend
	finds, rows int
}

func (c *counted) Find(ctx context.Context, q backend.Query) ([]backend.Row, error) {
	rows, err := c.Backend.Find(ctx, q)
	c.finds++
	c.rows += len(rows)
	return rows, err
}

func newSearched(t testing.TB) *counted {
	b := memory.New()
	require.NoError(t, b.Declare(t.Context(), schema()))
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return &counted{Backend: b}
}

func putVersions(t testing.TB, b backend.Backend, versions ...*Version) {
	t.Helper()
	rows := make([]backend.Row, len(versions))
	for i, v := range versions {
		var err error
		rows[i], err = v.row()
		require.NoError(t, err)
	}
	require.NoError(t, b.Update(t.Context(), nil, func(tx backend.Tx) error { return tx.Put(tableVersions, rows...) }))
}

var epoch = time.Date(2024, 5, 31, 12, 0, 0, 0, time.UTC)

// randomVersions make few values meet often: models of very different sizes, many equal times, all that can lack lacking.
func randomVersions(rnd *rand.Rand, n int) []*Version {
	var out []*Version
	last := map[string]int{}
	for range n {
		model := []string{"big", "big", "big", "big", "Big", "a", "b", "c%d", "é"}[rnd.IntN(9)]
		if rnd.IntN(4) == 0 {
			model = fmt.Sprintf("m%d", rnd.IntN(50))
		}
		last[model] += 1 + rnd.IntN(2)
		v := &Version{
			Model: model, Number: last[model], Stage: Stages()[rnd.IntN(4)],
			Created: epoch.Add(time.Duration(rnd.IntN(20)) * time.Millisecond), Updated: epoch.Add(time.Duration(rnd.IntN(4000)) * time.Microsecond),
			Description: []string{"", "first", "Second"}[rnd.IntN(3)], RunID: []string{"", "r1", "r2"}[rnd.IntN(3)],
			CreatedBy: []string{"ann", "bob"}[rnd.IntN(2)],
		}
		if rnd.IntN(2) == 0 {
			v.Semver = Semver{Major: uint64(1 + last[model]/12), Minor: uint64(last[model]), Prerelease: []string{"", "rc.1"}[rnd.IntN(2)]}
		}
		tags, params, metrics := map[string]string{}, map[string]string{}, map[string]float64{}
		if rnd.IntN(2) == 0 {
			tags["team"] = []string{"", "fraud", "Fraud", "search"}[rnd.IntN(4)]
		}
		if rnd.IntN(2) == 0 {
			params["lr"] = []string{"0.1", "0.01", "1e-1", "adam"}[rnd.IntN(4)]
		}
		if rnd.IntN(2) == 0 {
			metrics["acc"] = float64(rnd.IntN(4)) / 4
		}
		v.Tags, v.Params, v.Metrics = MapOf(tags), MapOf(params), MapOf(metrics)
		if rnd.IntN(3) == 0 { // no other version of the model can have it
			v.Aliases = SetOf(fmt.Sprintf("al%d", last[model]))
			if rnd.IntN(3) == 0 {
				v.Aliases = v.Aliases.with("x" + v.Ref())
			}
		}
		out = append(out, v)
	}
	return out
}

// truth is SQL's: unknown is neither true nor false.
type truth int8

const (
	no truth = iota - 1
	unknown
	yes
)

func known(b bool) truth {
	if b {
		return yes
	}
	return no
}

// A question is a filter and, said another way, what it means.
type question struct {
	text  string
	means func(v *Version) truth
}

func compare[T string | int | int64 | float64](op string, a, b T) truth {
	return known(map[string]bool{"=": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op])
}

func randomQuestion(rnd *rand.Rand, depth int) question {
	if depth > 0 && rnd.IntN(2) == 0 {
		return randomJunction(rnd, depth)
	}
	ordered := []string{"=", "!=", "<", "<=", ">", ">="}[rnd.IntN(6)]
	equality := []string{"=", "!="}[rnd.IntN(2)]
	switch rnd.IntN(14) {
	case 0:
		want := []string{"big", "Big", "a", "zzz"}[rnd.IntN(4)]
		return question{fmt.Sprintf("name %s '%s'", equality, want), func(v *Version) truth { return compare(equality, v.Model, want) }}
	case 1:
		return question{"name LIKE 'b%'", func(v *Version) truth { return known(strings.HasPrefix(v.Model, "b")) }}
	case 2:
		return question{`name NOT ILIKE '%\%d' `, func(v *Version) truth { return known(!strings.HasSuffix(strings.ToLower(v.Model), "%d")) }}
	case 3:
		want := rnd.IntN(30)
		return question{fmt.Sprintf("version_number %s %d", ordered, want), func(v *Version) truth { return compare(ordered, v.Number, want) }}
	case 4:
		want := Stages()[rnd.IntN(4)]
		return question{fmt.Sprintf("stage %s '%s'", equality, strings.ToLower(string(want))), func(v *Version) truth { return compare(equality, string(v.Stage), string(want)) }}
	case 5:
		want := []string{"", "fraud", "search"}[rnd.IntN(3)]
		return question{fmt.Sprintf("tags.team %s '%s'", equality, want), func(v *Version) truth {
			tag, ok := v.Tags.Lookup("team")
			if !ok {
				return unknown
			}
			return compare(equality, tag, want)
		}}
	case 6:
		return question{"tags.`team` ILIKE '_RAU%'", func(v *Version) truth {
			tag, ok := v.Tags.Lookup("team")
			if !ok {
				return unknown
			}
			return known(tag == "fraud" || tag == "Fraud")
		}}
	case 7:
		return question{fmt.Sprintf("params.lr %s 0.1", ordered), func(v *Version) truth {
			value := map[string]float64{"0.1": 0.1, "0.01": 0.01, "1e-1": 0.1}[v.Params.Get("lr")]
			if value == 0 {
				return unknown
			}
			return compare(ordered, value, 0.1)
		}}
	case 8:
		return question{fmt.Sprintf("metrics.acc %s 0.5", ordered), func(v *Version) truth {
			value, ok := v.Metrics.Lookup("acc")
			if !ok {
				return unknown
			}
			return compare(ordered, value, 0.5)
		}}
	case 9:
		want := rnd.Int64N(20)
		ms := epoch.UnixMilli() + want/5
		return question{fmt.Sprintf("last_updated_timestamp %s %d", ordered, ms), func(v *Version) truth { return compare(ordered, v.Updated.UnixMilli(), ms) }}
	case 10:
		return question{fmt.Sprintf("semver %s '1.7'", ordered), func(v *Version) truth {
			if v.Semver.IsZero() {
				return unknown
			}
			return compare(ordered, v.Semver.Compare(Semver{Major: 1, Minor: 7}), 0)
		}}
	case 11:
		want := fmt.Sprintf("al%d", rnd.IntN(20))
		return question{fmt.Sprintf("alias %s '%s'", equality, want), func(v *Version) truth { return known(v.Aliases.Has(want) == (equality == "=")) }}
	case 12:
		return question{"alias IS NULL", func(v *Version) truth { return known(v.Aliases.Len() == 0) }}
	}
	field := []string{"tags.team", "metrics.acc", "description", "semver", "stage"}[rnd.IntN(5)]
	return question{field + " IS NOT NULL", func(v *Version) truth {
		_, tag := v.Tags.Lookup("team")
		_, acc := v.Metrics.Lookup("acc")
		return known(map[string]bool{"tags.team": tag, "metrics.acc": acc, "description": v.Description != "", "semver": !v.Semver.IsZero(), "stage": v.Stage != None}[field])
	}}
}

func randomJunction(rnd *rand.Rand, depth int) question {
	a, b := randomQuestion(rnd, depth-1), randomQuestion(rnd, depth-1)
	switch rnd.IntN(4) {
	case 0:
		return question{"NOT (" + a.text + ")", func(v *Version) truth { return -a.means(v) }}
	case 1:
		return question{"(" + a.text + " OR " + b.text + ")", func(v *Version) truth { return max(a.means(v), b.means(v)) }}
	}
	return question{"(" + a.text + " AND " + b.text + ")", func(v *Version) truth { return min(a.means(v), b.means(v)) }}
}

// randomOrder returns an order and, said another way, what it means.
func randomOrder(rnd *rand.Rand) (orderBy []string, less func(a, b *Version) int) {
	keys := map[string]func(a, b *Version) int{
		"name":                   func(a, b *Version) int { return strings.Compare(a.Model, b.Model) },
		"version_number":         func(a, b *Version) int { return a.Number - b.Number },
		"creation_timestamp":     func(a, b *Version) int { return a.Created.Compare(b.Created) },
		"last_updated_timestamp": func(a, b *Version) int { return a.Updated.Compare(b.Updated) },
		"semver":                 func(a, b *Version) int { return a.Semver.Compare(b.Semver) },
		"run_id":                 func(a, b *Version) int { return strings.Compare(a.RunID, b.RunID) },
		"stage":                  func(a, b *Version) int { return strings.Compare(a.Stage.column(), b.Stage.column()) },
	}
	accuracy := func(v *Version, missing float64) float64 {
		if acc, ok := v.Metrics.Lookup("acc"); ok {
			return acc
		}
		return missing
	}
	names := []string{"name", "version_number", "creation_timestamp", "last_updated_timestamp", "semver", "run_id", "stage"}
	rnd.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	var compares []func(a, b *Version) int
	for _, name := range names[:rnd.IntN(4)] {
		desc := rnd.IntN(2) == 0
		orderBy = append(orderBy, name+map[bool]string{true: "\tdesc", false: []string{"", " ASC"}[rnd.IntN(2)]}[desc])
		by := keys[name]
		if desc {
			by = func(a, b *Version) int { return -keys[name](a, b) }
		}
		compares = append(compares, by)
	}
	switch rnd.IntN(10) {
	case 0:
		orderBy = append(orderBy, "metrics.acc DESC")
		compares = append(compares, func(a, b *Version) int { return cmp.Compare(accuracy(b, -1), accuracy(a, -1)) })
	case 1:
		orderBy = append(orderBy, "metrics.`acc`")
		compares = append(compares, func(a, b *Version) int { return cmp.Compare(accuracy(a, 2), accuracy(b, 2)) })
	}
	compares = append(compares, keys["name"], func(a, b *Version) int { return b.Number - a.Number })
	return orderBy, func(a, b *Version) int {
		for _, by := range compares {
			if c := by(a, b); c != 0 {
				return c
			}
		}
		return 0
	}
}

func refs(versions []*Version) []string {
	out := make([]string, len(versions))
	for i, v := range versions {
		out[i] = v.Ref()
	}
	return out
}

func allPages(t testing.TB, b backend.Backend, q Query, between func()) []*Version {
	t.Helper()
	var out []*Version
	for {
		page, err := searchVersions(t.Context(), b, q)
		require.NoError(t, err, "%+v", q)
		out = append(out, page.Versions...)
		if page.Next == "" {
			return out
		}
		require.NotEqual(t, q.PageToken, page.Next, "no progress")
		q.PageToken = page.Next
		between()
	}
}

func TestSearchSelectsAndOrdersAsAsked(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	b := newSearched(t)
	versions := randomVersions(rnd, 300)
	putVersions(t, b, versions...)
	for range 150 {
		ask := randomQuestion(rnd, 3)
		orderBy, less := randomOrder(rnd)
		var want []*Version
		for _, v := range versions {
			if ask.means(v) == yes {
				want = append(want, v)
			}
		}
		slices.SortFunc(want, less)
		q := Query{Filter: ask.text, OrderBy: orderBy, PageSize: []int{max(1, len(want)/20), 40, 100, 10_000}[rnd.IntN(4)]}
		got := allPages(t, b, q, func() {})
		require.Equal(t, refs(want), refs(got), "%+v", q)
	}
}

// Between two pages rows come and go; those that are there all the time, and stay as they are, come once each.
func TestPagesBesideWriters(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 15 {
		b := newSearched(t)
		versions := randomVersions(rnd, 200)
		stays := versions[:100]
		goes := versions[100:]
		putVersions(t, b, versions...)
		ask := randomQuestion(rnd, 1)
		orderBy, less := randomOrder(rnd)
		var want []*Version
		for _, v := range stays {
			if ask.means(v) == yes {
				want = append(want, v)
			}
		}
		slices.SortFunc(want, less)
		number := 1000
		got := allPages(t, b, Query{Filter: ask.text, OrderBy: orderBy, PageSize: 2 + rnd.IntN(20)}, func() {
			err := b.Update(t.Context(), nil, func(tx backend.Tx) error {
				for range min(5, len(goes)) {
					row, err := goes[0].row()
					if err != nil {
						return err
					}
					goes = goes[1:]
					if err := tx.Delete(tableVersions, row.Key); err != nil {
						return err
					}
				}
				return nil
			})
			require.NoError(t, err)
			for range 3 {
				v := randomVersions(rnd, 1)[0]
				v.Number, v.Aliases, v.Semver = number, Set{}, Semver{}
				number++
				if number < 1100 {
					putVersions(t, b, v)
				}
			}
		})
		seen := map[string]int{}
		for _, v := range got {
			seen[v.Ref()]++
			require.Equal(t, 1, seen[v.Ref()], "%s twice", v.Ref())
		}
		got = slices.DeleteFunc(got, func(v *Version) bool {
			return !slices.ContainsFunc(stays, func(s *Version) bool { return s.Ref() == v.Ref() })
		})
		require.Equal(t, refs(want), refs(got))
	}
}

func TestSearchStatements(t *testing.T) {
	b := newSearched(t)
	var versions []*Version
	for m := range 100 {
		for n := range 10 {
			versions = append(versions, &Version{
				Model: fmt.Sprintf("m%03d", m), Number: n + 1, Updated: epoch.Add(time.Duration(100*n+m) * time.Second),
				Tags: MapOf(map[string]string{"n": fmt.Sprint(n)}), Aliases: SetOf(fmt.Sprintf("a%d", n)),
			})
		}
	}
	for n := range 500 {
		versions = append(versions, &Version{Model: "zz", Number: n + 1, Stage: Archived, Tags: MapOf(map[string]string{"rare": fmt.Sprint(n % 5)})})
	}
	putVersions(t, b, versions...)
	for _, c := range []struct {
		q                Query
		statements, rows int // at most, for the first page and for the second alike
	}{
		{Query{Filter: "name = 'zz'"}, 1, 101},
		{Query{Filter: "name = 'zz'", OrderBy: []string{"version_number ASC"}}, 1, 101},
		{Query{Filter: "name = 'zz' AND stage = 'Archived' AND version_number < 400"}, 1, 101},
		{Query{Filter: "name = 'zz'", OrderBy: []string{"name", "version_number DESC", "stage"}}, 1, 101},
		{Query{Filter: "name LIKE 'm%'"}, 1, 132},
		{Query{}, 1, 132},
		{Query{OrderBy: []string{"name DESC", "version_number DESC"}}, 1, 101},
		{Query{OrderBy: []string{"name ASC", "version_number ASC"}}, 1, 101},
		{Query{OrderBy: []string{"last_updated_timestamp DESC"}}, 1, 132},
		{Query{OrderBy: []string{"last_updated_timestamp DESC", "name DESC", "version_number DESC"}}, 1, 101},
		{Query{Filter: "tags.n = '3'", PageSize: 40}, 1, 72},
		{Query{Filter: "tags.rare = '3'", PageSize: 40}, 2, 113},
		{Query{Filter: "name = 'm001' OR name = 'm002' OR name IN ('m003')", PageSize: 10}, 1, 42},
		{Query{Filter: "alias = 'a3' OR alias = 'a4'", PageSize: 50}, 1, 82},
		{Query{Filter: "stage != 'Archived'"}, 1, 132},
		{Query{Filter: "name > 'm'"}, 0, 0},
	} {
		for range 2 {
			b.finds, b.rows = 0, 0
			page, err := searchVersions(t.Context(), b, c.q)
			if c.statements == 0 {
				require.ErrorIs(t, err, ErrInvalid)
				break
			}
			require.NoError(t, err)
			require.LessOrEqual(t, b.finds, c.statements, "%+v", c.q)
			require.LessOrEqual(t, b.rows, c.rows, "%+v", c.q)
			require.NotEmpty(t, page.Versions)
			c.q.PageToken = page.Next
		}
	}
	b.finds = 0 // the last row of the first batch fills the page: whether there are more can wait
	page, err := searchVersions(t.Context(), b, Query{Filter: "name = 'zz' AND (version_number = 373 OR description = 'x')", PageSize: 1})
	require.NoError(t, err)
	require.Equal(t, []string{"zz/373"}, refs(page.Versions))
	require.Equal(t, 1, b.finds)
	page, err = searchVersions(t.Context(), b, Query{Filter: "name = 'zz' AND (version_number = 373 OR description = 'x')", PageToken: page.Next})
	require.NoError(t, err)
	require.Empty(t, page)

	b.finds = 0
	page, err = searchVersions(t.Context(), b, Query{Filter: "name = '" + strings.Repeat("x", 2000) + "'"})
	require.NoError(t, err)
	require.Empty(t, page)
	require.Zero(t, b.finds, "no name is that long")
}

// A search that finds little comes back before it has looked at everything, and can go on.
func TestSearchBudget(t *testing.T) {
	b := newSearched(t)
	const n = scanBudget + 5000
	versions := make([]*Version, n)
	for i := range versions {
		versions[i] = &Version{Model: "m", Number: i + 1}
	}
	versions[0].Description = "the needle" // the last one in order
	putVersions(t, b, versions...)
	q := Query{Filter: "description LIKE '%needle%'"}
	pages := 0
	for {
		b.rows = 0
		page, err := searchVersions(t.Context(), b, q)
		require.NoError(t, err)
		require.LessOrEqual(t, b.rows, scanBudget+maxBatch)
		pages++
		if page.Next == "" {
			require.Len(t, page.Versions, 1)
			break
		}
		require.Empty(t, page.Versions)
		q.PageToken = page.Next
	}
	require.Equal(t, 2, pages)

	_, err := searchVersions(t.Context(), b, Query{OrderBy: []string{"metrics.acc DESC"}})
	require.ErrorIs(t, err, ErrInvalid)
	require.ErrorContains(t, err, "more versions to sort than 10000; narrow the filter")
	page, err := searchVersions(t.Context(), b, Query{Filter: "version <= 10000", OrderBy: []string{"metrics.acc DESC"}, PageSize: 1})
	require.NoError(t, err)
	require.Equal(t, "m/10000", page.Versions[0].Ref())
}

// What a search costs is bounded whatever the filter, the rows and the page are, and the next page goes on behind it.
func TestSearchIsBoundedByWork(t *testing.T) {
	b := newSearched(t)
	versions := make([]*Version, 8)
	for i := range versions {
		versions[i] = &Version{Model: "m", Number: i + 1, Tags: MapOf(map[string]string{"note": strings.Repeat("y", maxTagValue) + fmt.Sprint(i)})}
	}
	putVersions(t, b, versions...)
	like := "tags.note LIKE '%" + strings.Repeat("_", 997) + "Z%'"
	q := Query{Filter: strings.Repeat(like+" OR ", 15) + "tags.note LIKE '%7'"}
	var got []string
	pages := 0
	for {
		page, err := searchVersions(t.Context(), b, q)
		require.NoError(t, err)
		got = append(got, refs(page.Versions)...)
		pages++
		if q.PageToken = page.Next; page.Next == "" {
			break
		}
	}
	require.Equal(t, []string{"m/8"}, got)
	require.Equal(t, 5, pages, "two rows are as much as a page looks at; behind the last two there might be more")

	_, err := searchVersions(t.Context(), b, Query{Filter: q.Filter, OrderBy: []string{"metrics.acc"}})
	require.ErrorIs(t, err, ErrInvalid)
	require.ErrorContains(t, err, "narrow the filter")
}

// A context that ends is noticed at the next row, not at the next batch.
func TestSearchLooksAtItsContext(t *testing.T) {
	b := newSearched(t)
	versions := make([]*Version, 100)
	for i := range versions {
		versions[i] = &Version{Model: "m", Number: i + 1, Description: "x"}
	}
	putVersions(t, b, versions...)
	ctx, cancel := context.WithCancel(t.Context())
	decoded, looked := 0, 0
	_, err := runSearch(ctx, b, &versionSubject, Query{Filter: "description LIKE '%x%'"}, func(row backend.Row) (found, error) {
		decoded++
		v, err := decodeVersion(row)
		return foundVersion{v}, err
	}, func(found) {
		if looked++; looked == 7 {
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 100, decoded, "they are one batch")
	require.Equal(t, 7, looked)
}

// A page ends where its rows are long, and is read in batches that are not much longer.
func TestSearchIsBoundedByBytes(t *testing.T) {
	b := newSearched(t)
	const n = 400
	versions := make([]*Version, n)
	for i := range versions {
		versions[i] = &Version{Model: "m", Number: i + 1, Metrics: MapOf(map[string]float64{"acc": float64(i)}),
			Tags: MapOf(map[string]string{"note": strings.Repeat("y", maxTagValue)})}
	}
	putVersions(t, b, versions...)
	for _, q := range []Query{
		{PageSize: maxPageSize},
		{PageSize: maxPageSize, Filter: "description = ''"},
		{PageSize: maxPageSize, OrderBy: []string{"metrics.acc DESC"}},
	} {
		var got []string
		for page := (VersionPage{Next: "first"}); page.Next != ""; {
			b.rows = 0
			var err error
			page, err = searchVersions(t.Context(), b, q)
			require.NoError(t, err)
			require.LessOrEqual(t, len(page.Versions), pageBytes/maxTagValue+1)
			if len(q.OrderBy) == 0 {
				require.LessOrEqual(t, b.rows, 3*blindBatch)
			}
			got = append(got, refs(page.Versions)...)
			q.PageToken = page.Next
		}
		require.Len(t, got, n)
		require.Equal(t, "m/400", got[0])
		require.Equal(t, "m/1", got[n-1])
	}
}

func TestSearchRefuses(t *testing.T) {
	b := newSearched(t)
	putVersions(t, b, &Version{Model: "m", Number: 1}, &Version{Model: "m", Number: 2}, &Version{Model: "m", Number: 3, Stage: Production})
	page, err := searchVersions(t.Context(), b, Query{PageSize: 1, OrderBy: []string{"stage"}})
	require.NoError(t, err)
	good := page.Next
	require.NotEmpty(t, good)
	for _, c := range []struct {
		q    Query
		says string
	}{
		{Query{PageSize: -1}, "it is from 1 to 10000"},
		{Query{PageSize: 10_001}, "it is from 1 to 10000"},
		{Query{Filter: "x"}, `no attribute "x"`},
		{Query{OrderBy: []string{"x"}}, "versions are ordered by name, version_number, stage, semver, creation_timestamp, last_updated_timestamp, run_id, digest, metrics.key"},
		{Query{OrderBy: []string{"Name"}}, "versions are ordered by"},
		{Query{OrderBy: []string{"alias"}}, "versions are ordered by"},
		{Query{OrderBy: []string{"tags.x"}}, "versions are ordered by"},
		{Query{OrderBy: []string{""}}, "write one of name"},
		{Query{OrderBy: []string{"name ASC DESC"}}, "each key is an element of its own"},
		{Query{OrderBy: []string{"name foo"}}, "behind the key stands ASC or DESC"},
		{Query{OrderBy: []string{"name,version"}}, "behind the key stands ASC or DESC"},
		{Query{OrderBy: []string{"name;"}}, "behind the key stands ASC or DESC"},
		{Query{OrderBy: []string{"`name`"}}, "write one of name"},
		{Query{OrderBy: []string{"metrics. x"}}, "the name of a metric"},
		{Query{OrderBy: []string{"metrics.a", "metric.`a` DESC"}}, "metrics.`a` is there twice"},
		{Query{OrderBy: []string{strings.Repeat("x", 1<<20)}}, "at most"},
		{Query{OrderBy: []string{"timestamp", "last_updated_timestamp DESC"}}, "last_updated_timestamp is there twice"},
		{Query{OrderBy: make([]string, 1000)}, "at most 20"},
		{Query{PageToken: "evilhax!"}, "it is the Next of a page"},
		{Query{PageToken: "e30"}, "it is the Next of a page"},
		{Query{PageToken: strings.Repeat("A", 1<<20)}, "it is the Next of a page"},
		{Query{PageToken: good}, "belongs to another search"},
		{Query{PageToken: good, OrderBy: []string{"stage DESC"}}, "belongs to another search"},
		{Query{PageToken: good, OrderBy: []string{"stage"}, Filter: "name = 'm'"}, "belongs to another search"},
	} {
		_, err := searchVersions(t.Context(), b, c.q)
		require.ErrorIs(t, err, ErrInvalid, "%+v", c.q)
		require.ErrorContains(t, err, c.says)
		require.Less(t, len(err.Error()), 600)
	}
	for _, orderBy := range [][]string{nil, {"stage"}, {"updated"}, {"version_number"}, {"metrics.acc"}} {
		order, err := parseOrder(&versionSubject, orderBy)
		require.NoError(t, err)
		for _, after := range []string{`[]`, `[null]`, `["\u0000"]`, `["x"]`, `["NaN","m","1"]`, `["9223372036854775807"]`, `["m"]`, `["m","x"]`, `["m","1","1","1"]`, `{}`} {
			token := base64.RawURLEncoding.EncodeToString([]byte(`{"s":"` + tokenKey(&versionSubject, nil, order) + `","a":` + after + `}`))
			_, err := searchVersions(t.Context(), b, Query{OrderBy: orderBy, PageToken: token})
			if err != nil {
				require.ErrorIs(t, err, ErrInvalid, "%v %s", orderBy, after)
			}
		}
	}
	_, err = searchModels(t.Context(), b, Query{OrderBy: []string{"version_number"}})
	require.ErrorContains(t, err, "models are ordered by name, creation_timestamp, last_updated_timestamp")
	_, err = searchModels(t.Context(), b, Query{OrderBy: []string{"stage"}, PageToken: good})
	require.ErrorIs(t, err, ErrInvalid)

	page, err = searchVersions(t.Context(), b, Query{PageSize: 7, OrderBy: []string{" attribute.stage\tasc "}, PageToken: good})
	require.NoError(t, err, "the size of a page may change")
	require.Equal(t, []string{"m/1", "m/3"}, refs(page.Versions))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = searchVersions(ctx, b, Query{})
	require.ErrorIs(t, err, context.Canceled)
}

// What a backend looks up and what is looked at here must be the same: each condition alone, and behind an OR.
func TestSearchLooksUpWhatItMeans(t *testing.T) {
	b := newSearched(t)
	a := &Version{
		Model: "m", Number: 1, Stage: Production, Aliases: SetOf("champion", "live"), Semver: Semver{Major: 1, Prerelease: "rc.1"}, Description: "d",
		Tags: MapOf(map[string]string{"k": "", "l": "long"}), Params: MapOf(map[string]string{"p": "5"}), RunID: "r", Source: "s3://b/x",
		Metrics: MapOf(map[string]float64{"big": math.Inf(1), "low": math.Inf(-1), "zero": math.Copysign(0, -1)}), Digest: "sha256:00", CreatedBy: "ann", Created: epoch, Updated: epoch,
	}
	bare := &Version{Model: "m", Number: 2, Stage: None, Created: epoch.Add(time.Millisecond), Updated: epoch.Add(time.Hour)}
	putVersions(t, b, a, bare)
	for filter, want := range map[string]string{
		"run_id = 'r'": "1", "run_id = ''": "2", "run_id IS NULL": "2", "run_id IS NOT NULL": "1", "run_id LIKE 'r_%'": "", "run_id LIKE 'r'": "1",
		"source_path LIKE 's3://%'": "1", "source IS NULL": "2", "digest LIKE 'sha256:%'": "1", "digest = 'sha256:00'": "1", "user_id = 'ann'": "1",
		"stage = 'none'": "2", "stage IN ('None', 'Production')": "21", "stage IS NULL": "2", "stage IS NOT NULL": "1", "stage LIKE 'N%'": "2", "stage != 'None'": "1",
		"alias LIKE 'ch%'": "1", "alias = 'live' AND alias = 'champion'": "1", "alias IS NOT NULL": "1", "alias IS NULL": "2", "alias IN ('x', 'live')": "1",
		"alias != 'x'": "21", "alias LIKE '%'": "1", "alias NOT LIKE '%'": "2",
		"tags.k = ''": "1", "tags.k IS NOT NULL": "1", "tags.k IS NULL": "2", "tags.l LIKE 'lo%'": "1", "tags.l LIKE '%g'": "1", "tags.l ILIKE 'LONG'": "1", "tags.l LIKE 'l_n_'": "1",
		"params.p = 5": "1", "params.p = 5.0": "1", "params.p = '5'": "1", "params.p = '5.0'": "", "params.p < 6 AND params.p >= 4": "1", "params.p != 6": "1", "params.p IN (4, 5)": "1",
		"metrics.big > 1e300": "1", "metrics.low < -1e300": "1", "metrics.low IS NOT NULL": "1", "metrics.zero = 0": "1", "metrics.zero >= -0.0": "1", "metrics.big IS NULL": "2",
		"metrics.zero IN (1, 0)": "1", "metrics.zero != 1": "1", "metrics.zero != 0": "", "metrics.zero <= 0": "1",
		"semver < '1.0.0'": "1", "semver <= '1.0.0-rc.1'": "1", "semver > '1.0.0-alpha'": "1", "semver = '1.0.0-rc.1'": "1", "semver != '1'": "1", "semver IS NULL": "2", "semver IS NOT NULL": "1",
		"semver >= '1'": "", "semver IN ('1', '1-rc.1')": "1",
		"created = '2024-05-31T12:00:00Z'": "1", "created = '2024-05-31'": "21", "created != '2024-05-31'": "", "created IN ('2024-05-31', 0)": "21",
		"created IN ('2024-05-30', '2024-06-01')": "", "created > '2024-05-31T12:00:00Z'": "2", "created IS NOT NULL": "21", "created IS NULL": "", "updated <= '2024-05-31T12:59:59+00:00'": "1",
		"version_number IN (2, 3)": "2", "version_number = 2 AND name = 'm'": "2", "version_number != 2": "1", "version_number > 9223372036854775806": "",
		"description IN ('d', 'e')": "1", "description IS NOT NULL": "1", "name ILIKE 'M'": "21", "name LIKE 'm%'": "21",
	} {
		for _, f := range []string{filter, "(" + filter + ") OR description = 'never'", "NOT NOT (" + filter + ")", "name = 'm' AND (" + filter + ")"} {
			page, err := searchVersions(t.Context(), b, Query{Filter: f})
			require.NoError(t, err, f)
			got := ""
			for _, v := range page.Versions {
				got += fmt.Sprint(v.Number)
			}
			require.Equal(t, want, got, f)
		}
	}
}

func TestSearchModels(t *testing.T) {
	b := newSearched(t)
	var rows []backend.Row
	for i, name := range []string{"b", "a", "B", "c", "é", "aa"} {
		m := modelRow{Model: Model{
			Name: name, ID: "id of " + name, Created: epoch.Add(time.Duration(i/2) * time.Second), Updated: epoch.Add(time.Duration(i/3) * time.Second),
			Tags: MapOf(map[string]string{"i": fmt.Sprint(i % 2)}), CreatedBy: "ann",
		}}
		if i == 3 {
			m.Aliases, m.Description = map[string]int{"champion": 1}, "Fraud"
		}
		row, err := m.row()
		require.NoError(t, err)
		rows = append(rows, row)
	}
	require.NoError(t, b.Update(t.Context(), nil, func(tx backend.Tx) error { return tx.Insert(tableModels, rows...) }))
	for _, c := range []struct {
		filter string
		order  []string
		want   string
	}{
		{"", nil, "B a aa b c é"},
		{"", []string{"name DESC"}, "é c b aa a B"},
		{"", []string{"timestamp"}, "B a b aa c é"},
		{"", []string{"last_updated_timestamp DESC", "name"}, "aa c é B a b"},
		{"", []string{"creation_timestamp DESC", "name DESC"}, "é aa c B b a"},
		{"name LIKE 'a%'", nil, "a aa"},
		{"name ILIKE 'B' OR name = 'c'", nil, "B b c"},
		{"tags.i = '1'", nil, "a aa c"},
		{"tags.i != '1' AND user_id = 'ann'", nil, "B b é"},
		{"alias = 'champion'", nil, "c"},
		{"model_id = 'id of aa' OR model_id LIKE '%B'", []string{"model_id DESC"}, "aa B"},
		{"description ILIKE '%fraud%'", nil, "c"},
		{"NOT alias IS NULL", nil, "c"},
		{"alias != 'champion' AND NOT created < '2024-05-31T12:00:02Z' OR last_updated_timestamp < 0", nil, "aa é"},
		{"description = 'Fraud' OR description IS NULL AND name LIKE '_'", nil, "B a b c é"},
		{"created = '2024-05-31T12:00:01Z'", nil, "B c"},
		{"last_updated_timestamp > " + fmt.Sprint(epoch.UnixMilli()), nil, "aa c é"},
	} {
		for size := range 4 {
			var got []string
			q := Query{Filter: c.filter, OrderBy: c.order, PageSize: size}
			for more := true; more; more = q.PageToken != "" {
				page, err := searchModels(t.Context(), b, q)
				require.NoError(t, err)
				for _, m := range page.Models {
					got = append(got, m.Name)
				}
				q.PageToken = page.Next
			}
			require.Equal(t, c.want, strings.Join(got, " "), "%+v", c)
		}
	}
}

// A token that was damaged on its way is an error, whichever of its characters it is, and not another page.
func TestDamagedTokensAreRefused(t *testing.T) {
	order := artifactOrder
	key := "key"
	token := encodeToken(key, []place{{value: backend.StringValue("iris/weights")}})
	_, err := decodeToken(token, key, order)
	require.NoError(t, err)
	for i := range token {
		for _, c := range []byte("Ax_") {
			if token[i] == c {
				continue
			}
			_, err := decodeToken(token[:i]+string(c)+token[i+1:], key, order)
			require.ErrorIs(t, err, ErrInvalid)
		}
		_, err := decodeToken(token[:i], key, order)
		if i > 0 {
			require.ErrorIs(t, err, ErrInvalid)
		}
	}
}
