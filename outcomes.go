package modelregistry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/modelregistry-go/modelregistry/backend"
)

func (r *registry) RecordOutcomes(ctx context.Context, test, shard string, tallies []Tally) error {
	return wrap("RecordOutcomes", test, r.recordOutcomes(ctx, test, shard, tallies))
}

func (r *registry) recordOutcomes(ctx context.Context, test, shard string, tallies []Tally) error {
	if err := checkTestName(test); err != nil {
		return err
	}
	if shard == "" {
		return fmt.Errorf("shard: %w: empty", ErrInvalid)
	}
	if err := checkName("shard", shard, maxShard); err != nil {
		return err
	}
	if len(tallies) > maxTallies {
		return fmt.Errorf("%w: %d tallies, at most %d", ErrInvalid, len(tallies), maxTallies)
	}
	counted := make(map[[2]string]Tally, len(tallies))
	for _, t := range tallies {
		if err := t.Check(); err != nil {
			return err
		}
		key := [2]string{t.Phase, t.Variant}
		if _, twice := counted[key]; twice {
			return fmt.Errorf("variant %q: %w: tallied twice", t.Variant, ErrInvalid)
		}
		counted[key] = t
	}
	doc, err := json.Marshal(shardRow{Tallies: tallies})
	if err != nil {
		return fmt.Errorf("encode outcomes: %w", err)
	}
	if err := checkBytes("tallies of the shard", len(doc), maxRow); err != nil {
		return err
	}
	row := backend.Row{Key: backend.Key{backend.StringValue(test), backend.StringValue(shard)}, Doc: doc}
	// The lock is the shard's own: a process waits for nobody but itself.
	return r.backend.Update(ctx, []string{"outcomes/" + test + "/" + shard}, func(tx backend.Tx) error {
		old, err := tx.Get(tableOutcomes, row.Key...)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("read outcomes: %w", err)
		}
		if err == nil {
			before, err := decodeShard(old)
			if err != nil {
				return err
			}
			for _, was := range before.Tallies {
				if now := counted[[2]string{was.Phase, was.Variant}]; now.behind(was) {
					return fmt.Errorf("shard %q: %w: more outcomes of variant %q are recorded already", shard, ErrConflict, was.Variant)
				}
			}
		}
		if err := tx.Put(tableOutcomes, row); err != nil {
			return fmt.Errorf("write outcomes: %w", err)
		}
		return nil
	})
}

func checkTestName(name string) error {
	if strings.TrimSpace(name) == "" {
		return fmt.Errorf("test name: %w: empty", ErrInvalid)
	}
	return checkName("test name", name, maxName)
}

func (r *registry) Outcomes(ctx context.Context, test string) ([]Tally, error) {
	tallies, err := r.outcomes(ctx, test)
	return tallies, wrap("Outcomes", test, err)
}

func (r *registry) outcomes(ctx context.Context, test string) ([]Tally, error) {
	if err := checkTestName(test); err != nil {
		return nil, err
	}
	rows, err := r.backend.Find(ctx, backend.Query{
		Table: tableOutcomes,
		Where: []backend.Cond{{Field: "test", Value: backend.StringValue(test)}},
	})
	if err != nil {
		return nil, fmt.Errorf("read outcomes: %w", err)
	}
	var sum []Tally
	place := map[[2]string]int{}
	for _, row := range rows {
		s, err := decodeShard(row)
		if err != nil {
			return nil, err
		}
		for _, t := range s.Tallies {
			i, ok := place[[2]string{t.Phase, t.Variant}]
			if !ok {
				i = len(sum)
				place[[2]string{t.Phase, t.Variant}] = i
				sum = append(sum, Tally{Phase: t.Phase, Variant: t.Variant})
			}
			sum[i].Add(t)
		}
	}
	slices.SortFunc(sum, func(a, b Tally) int {
		return cmp.Or(cmp.Compare(a.Phase, b.Phase), cmp.Compare(a.Variant, b.Variant))
	})
	return sum, nil
}
