package registrytest

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

var outcomePromises = []promise{
	{"what shards counted adds up, by phase and variant", outcomesAdd},
	{"a shard that records again replaces what it recorded, and never counts twice", outcomesAgain},
	{"a call that comes late is told so, and changes nothing", outcomesLate},
	{"tests know nothing of each other", outcomesApart},
	{"counts at the limits are kept, also those of odd names", outcomesLimits},
	{"tallies that are none are refused with the reason", outcomesMistakes},
	{"nothing that many shards record at once is lost", outcomesRace},
}

func (s *trial) record(test, shard string, tallies ...modelregistry.Tally) {
	s.Helper()
	s.ok(s.r.RecordOutcomes(s.ctx, test, shard, tallies))
}

// counted is what the registry says of a test.
func (s *trial) counted(test string) string {
	s.Helper()
	tallies, err := s.r.Outcomes(s.ctx, test)
	s.ok(err)
	return fmt.Sprintf("%+v", tallies)
}

// wants ends the trial unless the registry says these tallies of a test.
func (s *trial) wants(test string, tallies ...modelregistry.Tally) {
	s.Helper()
	equal(s, "outcomes of "+test, s.counted(test), fmt.Sprintf("%+v", tallies))
}

func outcomesAdd(s *trial) {
	s.wants("colour")
	s.record("colour", "1", modelregistry.Tally{Variant: "B", Exposed: 5, Successes: 1, Failures: 2}, modelregistry.Tally{Variant: "A", Exposed: 4})
	s.record("colour", "2", modelregistry.Tally{Variant: "A", Successes: 7}, modelregistry.Tally{Phase: "1", Variant: "A", Failures: 1})
	s.record("colour", "3")
	s.wants("colour",
		modelregistry.Tally{Variant: "A", Exposed: 4, Successes: 7},
		modelregistry.Tally{Variant: "B", Exposed: 5, Successes: 1, Failures: 2},
		modelregistry.Tally{Phase: "1", Variant: "A", Failures: 1})

	// 1, 3 and 8 have a mean of 4 and squares of 9+1+16; so do two of them and the third.
	s.record("latency", "1", modelregistry.Tally{Variant: "A", Measured: 2, Mean: 2, Squares: 2})
	s.record("latency", "2", modelregistry.Tally{Variant: "A", Measured: 1, Mean: 8})
	s.wants("latency", modelregistry.Tally{Variant: "A", Measured: 3, Mean: 4, Squares: 26})
}

func outcomesAgain(s *trial) {
	t := modelregistry.Tally{Variant: "A", Exposed: 3, Successes: 2, Failures: 1, Measured: 2, Mean: 0.1, Squares: 0.3}
	for range 3 {
		s.record("colour", "1", t)
		s.wants("colour", t)
	}
	t.Successes, t.Mean = 5, -7
	s.record("colour", "1", t, modelregistry.Tally{Variant: "B"})
	s.wants("colour", t, modelregistry.Tally{Variant: "B"})
}

func outcomesLate(s *trial) {
	t := modelregistry.Tally{Variant: "A", Exposed: 3, Successes: 2, Failures: 1, Measured: 2}
	s.record("colour", "1", t)
	for _, late := range []modelregistry.Tally{
		{Variant: "A", Exposed: 2, Successes: 2, Failures: 1, Measured: 2},
		{Variant: "A", Exposed: 3, Successes: 1, Failures: 1, Measured: 2},
		{Variant: "A", Exposed: 3, Successes: 2, Failures: 0, Measured: 2},
		{Variant: "A", Exposed: 3, Successes: 2, Failures: 1, Measured: 1},
		{Variant: "B", Exposed: 100, Successes: 100, Failures: 100, Measured: 100},
		{Variant: "A", Phase: "2", Exposed: 100, Successes: 100, Failures: 100, Measured: 100},
	} {
		s.fails(s.r.RecordOutcomes(s.ctx, "colour", "1", []modelregistry.Tally{late}), modelregistry.ErrConflict, "already")
		s.wants("colour", t)
	}
}

func outcomesApart(s *trial) {
	s.record("a", "b/c", modelregistry.Tally{Variant: "A", Exposed: 1})
	s.record("a/b", "c", modelregistry.Tally{Variant: "A", Exposed: 2})
	s.record("A", "b/c", modelregistry.Tally{Variant: "A", Exposed: 3})
	s.wants("a", modelregistry.Tally{Variant: "A", Exposed: 1})
	s.wants("a/b", modelregistry.Tally{Variant: "A", Exposed: 2})
	s.wants("A", modelregistry.Tally{Variant: "A", Exposed: 3})
}

func outcomesLimits(s *trial) {
	name := strings.Repeat("é", 256)
	t := modelregistry.Tally{
		Phase: strings.Repeat("x", 10_000), Variant: name,
		Exposed: 1 << 40, Successes: 1 << 40, Failures: 1 << 40, Measured: 1 << 40, Mean: -1e100, Squares: 1e250,
	}
	s.record(name, name, t)
	s.wants(name, t)
	t.Mean, t.Squares = 1.0/3, math.SmallestNonzeroFloat64
	s.record(name, name, t)
	s.wants(name, t)
}

func outcomesMistakes(s *trial) {
	good := modelregistry.Tally{Variant: "A", Successes: 1}
	s.record("colour", "1", good)
	for _, m := range []struct {
		test, shard string
		tally       modelregistry.Tally
		hint        string
	}{
		{"", "1", good, "empty"},
		{"a\x00", "1", good, "NUL"},
		{"a\xff", "1", good, "UTF-8"},
		{strings.Repeat("x", 257), "1", good, "at most 256"},
		{"colour", "", good, "empty"},
		{"colour", "\x00", good, "NUL"},
		{"colour", strings.Repeat("x", 257), good, "at most 256"},
		{"colour", "1", modelregistry.Tally{Successes: 1}, "variant"},
		{"colour", "1", modelregistry.Tally{Variant: "\xff"}, "UTF-8"},
		{"colour", "1", modelregistry.Tally{Variant: "A", Phase: "\x00"}, "NUL"},
		{"colour", "1", modelregistry.Tally{Variant: "A", Exposed: -1}, "exposed is -1"},
		{"colour", "1", modelregistry.Tally{Variant: "A", Successes: -1}, "successes is -1"},
		{"colour", "1", modelregistry.Tally{Variant: "A", Failures: math.MinInt64}, "failures is -9223372036854775808"},
		{"colour", "1", modelregistry.Tally{Variant: "A", Measured: math.MaxInt64}, "from 0 to"},
		{"colour", "1", modelregistry.Tally{Variant: "A", Measured: 1, Mean: math.NaN()}, "NaN"},
		{"colour", "1", modelregistry.Tally{Variant: "A", Measured: 1, Mean: math.Inf(1)}, "Inf"},
		{"colour", "1", modelregistry.Tally{Variant: "A", Measured: 2, Squares: math.NaN()}, "NaN"},
		{"colour", "1", modelregistry.Tally{Variant: "A", Measured: 2, Squares: -1}, "-1"},
		{"colour", "1", modelregistry.Tally{Variant: "A", Mean: 1}, "0 outcomes"},
		{"colour", "1", modelregistry.Tally{Variant: "A", Measured: 1, Squares: 1}, "1 outcomes"},
	} {
		s.fails(s.r.RecordOutcomes(s.ctx, m.test, m.shard, []modelregistry.Tally{m.tally}), modelregistry.ErrInvalid, m.hint)
		s.wants("colour", good)
	}
	s.fails(s.r.RecordOutcomes(s.ctx, "colour", "1", []modelregistry.Tally{good, good}), modelregistry.ErrInvalid, "twice")
	s.fails(s.r.RecordOutcomes(s.ctx, "colour", "1", make([]modelregistry.Tally, 1001)), modelregistry.ErrInvalid, "at most 1000")
	_, err := s.r.Outcomes(s.ctx, "")
	s.fails(err, modelregistry.ErrInvalid, "empty")
	s.wants("colour", good)
}

func outcomesRace(s *trial) {
	const shards, rounds = 16, 8
	s.ok(errors.Join(together(shards, func(i int) error {
		for n := range int64(rounds) {
			t := modelregistry.Tally{Variant: string(rune('A' + i%2)), Exposed: n + 1, Successes: n + 1, Measured: n + 1, Mean: float64(i % 2)}
			if err := s.r.RecordOutcomes(s.ctx, "colour", fmt.Sprint("process ", i), []modelregistry.Tally{t}); err != nil {
				return err
			}
			if _, err := s.r.Outcomes(s.ctx, "colour"); err != nil {
				return err
			}
		}
		return nil
	})...))
	all := int64(shards / 2 * rounds)
	s.wants("colour",
		modelregistry.Tally{Variant: "A", Exposed: all, Successes: all, Measured: all},
		modelregistry.Tally{Variant: "B", Exposed: all, Successes: all, Measured: all, Mean: 1})

	// Calls for one shard in any order leave the largest.
	for _, err := range together(shards, func(i int) error {
		return s.r.RecordOutcomes(s.ctx, "order", "one", []modelregistry.Tally{{Variant: "A", Exposed: int64(i)}})
	}) {
		if err != nil {
			s.fails(err, modelregistry.ErrConflict, "already")
		}
	}
	s.wants("order", modelregistry.Tally{Variant: "A", Exposed: shards - 1})
}
