package modelregistry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// LineageHistory names, for Verify, the chain of events of lineage that belongs to no model.
const LineageHistory = historyID + lineageChain

// historyID stands before the ID of a chain where a model's name may stand, too: no name has a colon.
const historyID = "id:"

// A VerifyReport is what Verify found of one history.
type VerifyReport struct {
	Head         // the newest event that was checked and is right
	Events int64 // that were checked and are right
	// Versions is how many rows of versions are what the events made of them.
	Versions int
	Broken   *Event // the first event that does not fit; nil if it is not one event, or all is right
	Problem  string // what is wrong; "" if all is right
}

func (r *registry) Verify(ctx context.Context, model string, against ...*Checkpoint) (*VerifyReport, error) {
	id, err := r.historyOf(ctx, model)
	if err != nil {
		return nil, wrap("Verify", model, err)
	}
	report, err := r.verify(ctx, id, against)
	if report == nil && err == nil {
		err = fmt.Errorf("history of %q: %w", model, ErrNotFound)
	}
	return report, wrap("Verify", model, err)
}

// verify checks the history of an ID in one snapshot; nil: there is none.
func (r *registry) verify(ctx context.Context, id string, against []*Checkpoint) (report *VerifyReport, err error) {
	err = r.backend.View(ctx, func(tx backend.Reader) error {
		v := &verifier{tx: tx, report: &VerifyReport{Head: Head{ModelID: id}}, story: newStory()}
		for _, c := range against {
			v.heads = append(v.heads, c.heads(id)...)
		}
		there, err := v.load()
		if err != nil || !there {
			return err
		}
		report = v.report
		return v.verify()
	})
	if report != nil && errors.Is(err, ErrCorrupt) && report.Problem == "" {
		report.Problem = err.Error() // a row that cannot be read
	}
	return report, err
}

// A verifier checks one history.
type verifier struct {
	tx     backend.Reader
	report *VerifyReport
	heads  []checkpointHead
	story  *story
	row    *backend.Row // of the model, if it is there
	model  *modelRow
	end    *chain // as recorded; nil: it is not
}

func (v *verifier) fail(e *Event, format string, args ...any) error {
	v.report.Broken, v.report.Problem = e, fmt.Sprintf(format, args...)
	return fmt.Errorf("history: %w: %s", ErrCorrupt, v.report.Problem)
}

// load reads the model's row, or the end of a chain that no row carries. There is no history without events, an end or a
// head in a checkpoint.
func (v *verifier) load() (there bool, err error) {
	id := backend.StringValue(v.report.ModelID)
	rows, err := v.tx.Find(backend.Query{Table: tableModels, Limit: 1, Fields: true, Where: []backend.Cond{{Field: "id", Value: id}}})
	if err != nil {
		return false, fmt.Errorf("read model: %w", err)
	}
	if len(rows) > 0 {
		v.row = &rows[0]
		if v.model, err = decodeModelRow(rows[0]); err != nil {
			return false, err
		}
		v.end = &v.model.Chain
		return true, nil
	}
	end, err := readChain(v.tx, v.report.ModelID)
	if err == nil {
		v.end = &end
		return true, nil
	}
	if !errors.Is(err, backend.ErrNotFound) {
		return false, err
	}
	if rows, err = v.tx.Find(backend.Query{Table: tableEvents, Limit: 1, Where: []backend.Cond{{Field: "model_id", Value: id}}}); err != nil {
		return false, fmt.Errorf("read history: %w", err)
	}
	return len(rows)+len(v.heads) > 0, nil
}

func (v *verifier) verify() error {
	if err := v.events(); err != nil {
		return err
	}
	if v.report.ModelID == lineageChain {
		return nil
	}
	if err := v.names(); err != nil {
		return err
	}
	if v.model == nil {
		if v.end.Name != v.story.name || !v.story.deleted {
			return v.fail(nil, "model %q has no row, and its history does not end with its deletion", v.story.name)
		}
	} else if err := v.modelRow(); err != nil {
		return err
	}
	if err := v.requests(); err != nil {
		return err
	}
	return v.versions()
}

// events checks the chain, the columns that events are found by, and what checkpoints say of it.
func (v *verifier) events() error {
	p := &pager{find: v.tx.Find, q: backend.Query{Table: tableEvents, Limit: eventPage, Fields: true, Where: []backend.Cond{
		{Field: "model_id", Value: backend.StringValue(v.report.ModelID)},
	}}}
	at := &v.report.Head
	for {
		row, err := p.next()
		if err != nil {
			return fmt.Errorf("read history: %w", err)
		}
		if row == nil {
			break
		}
		e, err := decodeEvent(*row, cursorSeen)
		if err != nil {
			return err
		}
		switch {
		case e.Seq != at.Seq+1:
			return v.fail(e, "event %d follows event %d", e.Seq, at.Seq)
		case e.Prev != at.Hash:
			return v.fail(e, "event %d was altered, or the one before it: it is chained to another", e.Seq)
		case fell(at.Time, e.Time):
			return v.fail(e, "event %d is older than the one before it", e.Seq)
		}
		if problem := misfit(*row, e.fields()); problem != "" {
			return v.fail(e, "event %d is found by another %s", e.Seq, problem)
		}
		if problem := v.story.tell(e); problem != "" {
			return v.fail(e, "event %d: %s", e.Seq, problem)
		}
		for _, h := range v.heads {
			if h.Seq == e.Seq && h.Hash != e.Hash {
				return v.fail(e, "event %d is not the one that a checkpoint of %s saw", e.Seq, h.taken.Format(time.RFC3339))
			}
		}
		at.Seq, at.Hash, at.Time, at.Model = e.Seq, e.Hash, e.Time, v.story.name
		v.report.Events++
	}
	for _, h := range v.heads {
		if h.Seq > at.Seq {
			return v.fail(nil, "the chain ends with event %d, and a checkpoint of %s saw event %d", at.Seq, h.taken.Format(time.RFC3339), h.Seq)
		}
	}
	if v.end == nil {
		return v.fail(nil, "neither a model's row nor the end of its chain is there, of %d events", at.Seq)
	}
	if at.Seq != v.end.Seq || at.Hash != v.end.Head || !at.Time.Equal(v.end.Time) {
		return v.fail(nil, "the chain ends with event %d, hash %.12s; recorded are %d, %.12s", at.Seq, at.Hash, v.end.Seq, v.end.Head)
	}
	return nil
}

// names compares what is recorded of the model's names with what the events say: when it had them, and what stands by
// those that it left.
func (v *verifier) names() error {
	rows, err := v.tx.Find(backend.Query{Table: tableNames, Fields: true, Where: []backend.Cond{
		{Field: "model_id", Value: backend.StringValue(v.report.ModelID)},
	}})
	if err != nil {
		return fmt.Errorf("read names: %w", err)
	}
	told := slices.Clone(v.story.names)
	slices.SortStableFunc(told, func(a, b naming) int { return strings.Compare(a.name, b.name) }) // as rows are
	for i, row := range rows {
		is, err := decodeTenure(row)
		if err != nil {
			return err
		}
		name, since := row.Key[0].Str(), time.UnixMicro(is.Since).UTC().Format(time.RFC3339Nano)
		if problem := misfit(row, is.fields()); problem != "" {
			return v.fail(nil, "name %q is found by another %s", name, problem)
		}
		if i >= len(told) || name != told[i].name || row.Key[1].Int() != told[i].turn || is.Since != told[i].since {
			return v.fail(nil, "name %q leads to the model from %s on, and its history does not say so", name, since)
		}
		if is.Until != told[i].until {
			return v.fail(nil, "the model loses the name %q at another time than its history says", name)
		}
		problem, err := firstDifference(is.Guard, told[i].guard)
		if err != nil {
			return err
		}
		if problem != "" {
			return v.fail(nil, "what stands by the name %q, which the model left, differs from its history in %s", name, problem)
		}
	}
	if len(rows) != len(told) {
		return v.fail(nil, "%d of the names that the model had are recorded; its history has %d", len(rows), len(told))
	}
	return nil
}

// modelRow compares the model's row with what the events made of it. What deployments keep in it for themselves, and
// when it was updated, is no part of that; for the requests that wait see requests.
func (v *verifier) modelRow() error {
	m := &v.model.Model
	want, err := v.story.model()
	if err != nil {
		return err
	}
	want.Updated = m.Updated
	problem, err := firstDifference(m, want)
	if err != nil {
		return err
	}
	if problem != "" {
		return v.fail(nil, "the model's row and its history differ in %s", problem)
	}
	row, err := v.model.row()
	if err != nil {
		return err
	}
	if v.row.Key.Compare(row.Key) != 0 {
		return v.fail(nil, "the row of model %q stands under the name %s", m.Name, v.row.Key)
	}
	if problem := misfit(*v.row, row.Fields); problem != "" {
		return v.fail(nil, "the model is found by another %s", problem)
	}
	return nil
}

// firstDifference names a field in which two values differ as JSON, and says how.
func firstDifference(is, want any) (string, error) {
	has, err := jsonFields(is)
	if err != nil {
		return "", err
	}
	should, err := jsonFields(want)
	if err != nil {
		return "", err
	}
	return fieldDifference(has, should), nil
}

func fieldDifference(has, should map[string]json.RawMessage) string {
	for _, name := range sortedKeys(has, should) {
		if !bytes.Equal(has[name], should[name]) {
			return fmt.Sprintf("%s: it is %.80s, and was made %.80s", name, orNothing(has[name]), orNothing(should[name]))
		}
	}
	return ""
}

func orNothing(text json.RawMessage) string {
	if text == nil {
		return "nothing"
	}
	return string(text)
}
