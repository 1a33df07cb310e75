package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A Head is an event of a history, by which all before it are known: its hash has theirs in it.
type Head struct {
	ModelID string    `json:"model_id"`
	Model   string    `json:"model,omitempty"` // its name then, or the one that it had last; "" for lineage
	Seq     int64     `json:"seq"`             // 0: there is none
	Hash    string    `json:"hash,omitempty"`
	Time    time.Time `json:"time"`
}

// A Checkpoint is where histories ended at a time. It is JSON, to be kept elsewhere.
type Checkpoint struct {
	Taken time.Time `json:"taken"` // by the clock of who took it
	Heads []Head    `json:"heads"`
}

// checkpointHead is a head with the time of its checkpoint.
type checkpointHead struct {
	Head
	taken time.Time
}

// heads are those of one history.
func (c *Checkpoint) heads(id string) (heads []checkpointHead) {
	if c == nil {
		return nil
	}
	for _, h := range c.Heads {
		if h.ModelID == id {
			heads = append(heads, checkpointHead{h, c.Taken})
		}
	}
	return heads
}

func (r *registry) Checkpoint(ctx context.Context, models ...string) (*Checkpoint, error) {
	c := &Checkpoint{Taken: r.now()}
	var ids []string
	for _, model := range models {
		id, err := r.historyOf(ctx, model)
		if err != nil {
			return nil, wrap("Checkpoint", model, err)
		}
		ids = append(ids, id)
	}
	err := r.backend.View(ctx, func(tx backend.Reader) error {
		if len(models) == 0 {
			return eachHistory(tx, func(h Head) error {
				c.Heads = append(c.Heads, h)
				return nil
			})
		}
		found, err := headsOf(tx, ids)
		if err != nil {
			return err
		}
		for i, id := range ids {
			h, ok := found[id]
			if !ok {
				return fmt.Errorf("history of %q: %w", models[i], ErrNotFound)
			}
			c.Heads = append(c.Heads, h)
		}
		return nil
	})
	if err != nil {
		return nil, wrap("Checkpoint", "", err)
	}
	return c, nil
}

// historyOf is the ID of the history that Verify's argument names.
func (r *registry) historyOf(ctx context.Context, model string) (string, error) {
	if id, ok := strings.CutPrefix(model, historyID); ok {
		return id, checkText("model ID", id, maxName)
	}
	t, err := r.tenureAt(ctx, model, time.Time{})
	return t.ModelID, err
}

// ends are the two tables that say where histories end, with the field that has the history's ID.
var ends = [...]struct{ table, id string }{{tableModels, "id"}, {tableChains, "id"}}

// headOf reads where a history ends from a row of one of ends.
func headOf(table string, row backend.Row) (Head, error) {
	if table == tableChains {
		c, err := decodeChain(row)
		return Head{ModelID: row.Key[0].Str(), Model: c.Name, Seq: c.Seq, Hash: c.Head, Time: c.Time}, err
	}
	m, err := decodeModelRow(row)
	if err != nil {
		return Head{}, err
	}
	return Head{ModelID: m.ID, Model: m.Name, Seq: m.Chain.Seq, Hash: m.Chain.Head, Time: m.Chain.Time}, nil
}

// eachHistory calls fn with where each history ends that has an end.
func eachHistory(tx backend.Reader, fn func(Head) error) error {
	for _, end := range ends {
		p := &pager{find: tx.Find, q: backend.Query{Table: end.table, Order: end.id, Limit: eventPage, Fields: true}, after: func(row backend.Row) []backend.Value {
			if end.table == tableChains {
				return append([]backend.Value{row.Key[0]}, row.Key...)
			}
			return append([]backend.Value{row.Fields[end.id].(backend.Value)}, row.Key...)
		}}
		for {
			row, err := p.next()
			if err != nil {
				return fmt.Errorf("read histories: %w", err)
			}
			if row == nil {
				break
			}
			h, err := headOf(end.table, *row)
			if err != nil {
				return err
			}
			if err := fn(h); err != nil {
				return err
			}
		}
	}
	return nil
}

// headsOf are the ends of those histories that have one, by ID.
func headsOf(tx backend.Reader, ids []string) (map[string]Head, error) {
	found := map[string]Head{}
	for _, end := range ends {
		if len(ids) == 0 {
			break
		}
		rows, err := tx.Find(backend.Query{Table: end.table, Where: []backend.Cond{isOneOf(end.id, append([]string(nil), ids...))}})
		if err != nil {
			return nil, fmt.Errorf("read histories: %w", err)
		}
		for _, row := range rows {
			h, err := headOf(end.table, row)
			if err != nil {
				return nil, err
			}
			found[h.ModelID] = h
		}
	}
	return found, nil
}

func (r *registry) VerifyAll(ctx context.Context, against ...*Checkpoint) iter.Seq2[*VerifyReport, error] {
	return func(yield func(*VerifyReport, error) bool) {
		err := r.verifyAll(ctx, against, func(report *VerifyReport, err error) bool {
			return yield(report, wrap("VerifyAll", report.Model, err))
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, wrap("VerifyAll", "", err))
		}
	}
}

// errStopped says that nobody wants more reports.
var errStopped = errors.New("stopped")

// verifyAll verifies the histories that have an end, then those of which only something else is left.
func (r *registry) verifyAll(ctx context.Context, against []*Checkpoint, tell func(*VerifyReport, error) bool) error {
	verify := func(id string) error {
		report, err := r.verify(ctx, id, against)
		if report == nil {
			return err // nil: it is gone since, which only events that never were can be
		}
		if err != nil && !errors.Is(err, ErrCorrupt) {
			return err
		}
		if !tell(report, err) {
			return errStopped
		}
		return nil
	}
	// A long snapshot would keep a database from cleaning up: each history has one of its own, and the list is paged.
	if err := eachHistory(findReader{r.find(ctx)}, func(h Head) error { return verify(h.ModelID) }); err != nil {
		return err
	}
	return r.eachStray(ctx, against, func(id, problem string) error {
		if problem == "" {
			return verify(id)
		}
		report := &VerifyReport{Head: Head{ModelID: id}, Problem: problem}
		if !tell(report, fmt.Errorf("history: %w: %s", ErrCorrupt, problem)) {
			return errStopped
		}
		return nil
	})
}

// findReader is a Reader that only finds, each time in the newest state.
type findReader struct {
	find func(backend.Query) ([]backend.Row, error)
}

func (r findReader) Find(q backend.Query) ([]backend.Row, error) { return r.find(q) }

func (r findReader) Get(table string, _ ...backend.Value) (backend.Row, error) {
	return backend.Row{}, fmt.Errorf("read %s: %w", table, errors.ErrUnsupported)
}

// eachStray calls fn with what belongs to no history that has an end: the ID of events and heads of checkpoints, once
// each, or what is wrong with rows of names, versions and requests.
func (r *registry) eachStray(ctx context.Context, against []*Checkpoint, fn func(id, problem string) error) error {
	told := map[string]bool{} // of what is wrong, so that it is said once
	strays := func(ids []string, problem func(id string) string) error {
		found, err := headsOf(findReader{r.find(ctx)}, ids)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if _, ok := found[id]; ok || told[id] {
				continue
			}
			told[id] = true
			if err := fn(id, problem(id)); err != nil {
				return err
			}
		}
		return nil
	}
	verified := func(string) string { return "" }
	for _, c := range against {
		if c == nil {
			continue
		}
		for heads := c.Heads; len(heads) > 0; {
			n := min(len(heads), eventPage)
			ids := distinct(n, func(i int) string { return heads[i].ModelID })
			heads = heads[n:]
			if err := strays(ids, verified); err != nil {
				return err
			}
		}
	}
	err := r.eachPage(ctx, backend.Query{Table: tableEvents, Fields: true}, func(rows []backend.Row) error {
		return strays(distinct(len(rows), func(i int) string { return rows[i].Fields["model_id"].(backend.Value).Str() }), verified)
	})
	if err != nil {
		return err
	}
	err = r.eachPage(ctx, backend.Query{Table: tableNames, Fields: true}, func(rows []backend.Row) error {
		name := map[string]string{}
		ids := distinct(len(rows), func(i int) string {
			id := rows[i].Fields["model_id"].(backend.Value).Str()
			name[id] = rows[i].Key[0].Str()
			return id
		})
		return strays(ids, func(id string) string { return fmt.Sprintf("name %q leads to a model %q that never was", name[id], id) })
	})
	if err != nil {
		return err
	}
	for _, table := range []string{tableVersions, tableApprovals} {
		if err := r.eachLost(ctx, table, func(name string) error {
			return fn("", fmt.Sprintf("there are %s of model %q, which is not there", table, name))
		}); err != nil {
			return err
		}
	}
	return nil
}

// eachLost calls fn, once each, with the models that rows of versions or approvals are of and that are not there.
func (r *registry) eachLost(ctx context.Context, table string, fn func(model string) error) error {
	told := map[string]bool{}
	return r.eachPage(ctx, backend.Query{Table: table, Fields: true}, func(rows []backend.Row) error {
		names := distinct(len(rows), func(i int) string {
			if table == tableVersions {
				return rows[i].Key[0].Str()
			}
			return rows[i].Fields["model"].(backend.Value).Str()
		})
		if len(names) == 0 {
			return nil
		}
		found, err := r.backend.Find(ctx, backend.Query{Table: tableModels, Where: []backend.Cond{isOneOf("name", append([]string(nil), names...))}})
		if err != nil {
			return fmt.Errorf("read models: %w", err)
		}
		there := map[string]bool{}
		for _, row := range found {
			there[row.Key[0].Str()] = true
		}
		for _, name := range names {
			if there[name] || told[name] {
				continue
			}
			lost, err := r.isLost(ctx, table, name)
			if err != nil {
				return err
			}
			if !lost {
				continue
			}
			told[name] = true
			if err := fn(name); err != nil {
				return err
			}
		}
		return nil
	})
}

// isLost looks again in one snapshot: the model may have got another name between two reads.
func (r *registry) isLost(ctx context.Context, table, name string) (lost bool, err error) {
	err = r.backend.View(ctx, func(tx backend.Reader) error {
		rows, err := tx.Find(backend.Query{Table: table, Limit: 1, Where: []backend.Cond{{Field: "model", Value: modelKey(name)}}})
		if err != nil || len(rows) == 0 {
			return err
		}
		_, err = tx.Get(tableModels, modelKey(name))
		if lost = errors.Is(err, backend.ErrNotFound); lost {
			return nil
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("read %s: %w", table, err)
	}
	return lost, nil
}

// eachPage calls fn with a table's rows, page after page.
func (r *registry) eachPage(ctx context.Context, q backend.Query, fn func([]backend.Row) error) error {
	q.Limit = eventPage
	for {
		rows, err := r.backend.Find(ctx, q)
		if err != nil {
			return fmt.Errorf("read %s: %w", q.Table, err)
		}
		if err := fn(rows); err != nil {
			return err
		}
		if len(rows) < q.Limit {
			return nil
		}
		q.After = rows[len(rows)-1].Key
	}
}

// distinct are n texts, each once, in the order in which they come.
func distinct(n int, at func(int) string) (texts []string) {
	seen := map[string]bool{}
	for i := range n {
		if s := at(i); !seen[s] {
			seen[s] = true
			texts = append(texts, s)
		}
	}
	return texts
}
