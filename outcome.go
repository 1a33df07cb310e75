package modelregistry

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"github.com/modelregistry-go/modelregistry/backend"
)

// OutcomeStore is the part of a Registry that counts what the variants of tests led to. Package abtest assigns users to
// variants, records here from many processes, and says which variant is better.
type OutcomeStore interface {
	// RecordOutcomes puts all that one shard, such as a process, has counted for a test so far in place of what it
	// counted before. The same call again changes nothing, and shards do not wait for each other. ErrConflict: more
	// of the shard is there already, so this call comes late.
	RecordOutcomes(ctx context.Context, test, shard string, tallies []Tally) error
	// Outcomes adds up what all shards of a test have counted: one Tally for each phase and variant, in the order of
	// those. There are none of a test that nothing was recorded for.
	Outcomes(ctx context.Context, test string) ([]Tally, error)
}

// A Tally counts what one variant of a test led to.
type Tally struct {
	// Phase tells apart what must not be added up, such as what was counted under other weights; it may be "".
	Phase   string `json:"phase,omitempty"`
	Variant string `json:"variant"`

	Exposed   int64 `json:"exposed,omitempty"` // users that were given the variant
	Successes int64 `json:"successes,omitempty"`
	Failures  int64 `json:"failures,omitempty"`

	Measured int64   `json:"measured,omitempty"` // numeric outcomes
	Mean     float64 `json:"mean,omitempty"`     // of the numeric outcomes
	Squares  float64 `json:"squares,omitempty"`  // the sum of their squared distances from Mean
}

const (
	maxShard   = 256
	maxPhase   = 10_000
	maxTallies = 1000
	// A count of one shard. Eight million of the largest can be added.
	maxCount = 1 << 40
	// Squares of larger ones, added up, would leave float64.
	maxMeasure = 1e100
	maxSquares = 1e250
)

// Add adds what other counted to t; t keeps its Phase and Variant.
func (t *Tally) Add(other Tally) {
	t.Exposed += other.Exposed
	t.Successes += other.Successes
	t.Failures += other.Failures
	if other.Measured == 0 {
		return
	}
	// Chan, Golub and LeVeque's update: sums of squares would cancel.
	n, m := float64(t.Measured), float64(other.Measured)
	apart := other.Mean - t.Mean
	t.Measured += other.Measured
	t.Mean += apart * (m / (n + m))
	t.Squares += other.Squares + apart*apart*(n*m/(n+m))
}

// Check says whether t can be recorded: ErrInvalid if a count is negative, or a number is not one or out of range.
func (t *Tally) Check() error {
	if t.Variant == "" {
		return fmt.Errorf("variant: %w: empty", ErrInvalid)
	}
	if err := checkName("variant", t.Variant, maxName); err != nil {
		return err
	}
	if err := checkText("phase", t.Phase, maxPhase); err != nil {
		return err
	}
	for _, c := range []struct {
		what  string
		count int64
	}{{"exposed", t.Exposed}, {"successes", t.Successes}, {"failures", t.Failures}, {"measured", t.Measured}} {
		if c.count < 0 || c.count > maxCount {
			return fmt.Errorf("variant %q: %w: %s is %d; counts are from 0 to %d", t.Variant, ErrInvalid, c.what, c.count, int64(maxCount))
		}
	}
	if !(math.Abs(t.Mean) <= maxMeasure) {
		return fmt.Errorf("variant %q: %w: a mean of %v; numeric outcomes are numbers from %g to %g", t.Variant, ErrInvalid, t.Mean, -maxMeasure, maxMeasure)
	}
	if !(t.Squares >= 0 && t.Squares <= maxSquares) {
		return fmt.Errorf("variant %q: %w: squares add up to %v; a sum of squares is from 0 to %g", t.Variant, ErrInvalid, t.Squares, maxSquares)
	}
	if t.Measured == 0 && (t.Mean != 0 || t.Squares != 0) || t.Measured == 1 && t.Squares != 0 {
		return fmt.Errorf("variant %q: %w: a mean of %v and squares of %v cannot be those of %d outcomes", t.Variant, ErrInvalid, t.Mean, t.Squares, t.Measured)
	}
	return nil
}

// behind says whether t counts less of anything than other.
func (t *Tally) behind(other Tally) bool {
	return t.Exposed < other.Exposed || t.Successes < other.Successes || t.Failures < other.Failures || t.Measured < other.Measured
}

// A shardRow is what one shard has counted.
type shardRow struct {
	Tallies []Tally `json:"tallies"`
}

func decodeShard(row backend.Row) (*shardRow, error) {
	s := new(shardRow)
	if err := json.Unmarshal(row.Doc, s); err != nil {
		return nil, fmt.Errorf("row of outcomes %v: %w: %w", row.Key, ErrCorrupt, err)
	}
	return s, nil
}
