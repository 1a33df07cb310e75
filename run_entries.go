package modelregistry

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/modelregistry-go/modelregistry/backend"
)

// What a run has is a row for each tag, param, newest point of a metric, input and output: what a call writes is in
// proportion to what it logs, whatever the run has already. The row of the run itself is small.

// The sorts of entries of a run. The name of an entry is its sort and its own.
const (
	tagEntry    = "tag."
	paramEntry  = "param."
	metricEntry = "metric."
	inputEntry  = "input."
	outputEntry = "output."
)

// How much a run has at most: all of it is read with the run.
const (
	maxRunEntries = 100_000
	maxRunBytes   = 64 << 20
)

// An entryDoc is the document of an entry. The members are those of its sort.
type entryDoc struct {
	Text   string     `json:"text,omitempty"` // of a tag or a param
	Point  *pointJSON `json:"point,omitempty"`
	Input  *RunInput  `json:"input,omitempty"`
	Output *RunOutput `json:"output,omitempty"`
	Place  int        `json:"place,omitempty"` // of an input or an output: they are in order
}

// A runEntry is one entry of a run.
type runEntry struct {
	name  string
	point MetricPoint // of a metric
	entryDoc
}

func textEntry(sort, key, value string) runEntry {
	return runEntry{name: sort + key, entryDoc: entryDoc{Text: value}}
}

func pointEntry(p MetricPoint) runEntry {
	doc := p.json()
	return runEntry{name: metricEntry + p.Key, point: p, entryDoc: entryDoc{Point: &doc}}
}

func (in *RunInput) entry() runEntry {
	id := in.ModelID
	if d := in.Dataset; d != nil {
		sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %s", len(d.Name), d.Name, d.Digest))
		id = "data." + hex.EncodeToString(sum[:16])
	} else {
		id = "model." + id
	}
	return runEntry{name: inputEntry + id, entryDoc: entryDoc{Input: in}}
}

func (out *RunOutput) entry() runEntry {
	return runEntry{name: outputEntry + out.ModelID, entryDoc: entryDoc{Output: out}}
}

// value is what conditions compare: of a metric the bits in the order of the numbers, so that one index serves all.
func (e *runEntry) value() string {
	if e.Point != nil {
		return bitsText(e.point.Value)
	}
	return e.Text
}

// size is about how many bytes the entry takes.
func (e *runEntry) size() int {
	const frame = 150
	n := frame + len(e.name) + len(e.Text)
	if in := e.Input; in != nil && in.Dataset != nil {
		n += len(in.Dataset.Source) + len(in.Dataset.Schema) + len(in.Dataset.Profile)
	}
	return n
}

func (e *runEntry) row(run *Run) (backend.Row, error) {
	doc, err := json.Marshal(e.entryDoc)
	if err != nil {
		return backend.Row{}, fmt.Errorf("encode %s of run: %w", e.name, err)
	}
	return backend.Row{
		Key: backend.Key{backend.StringValue(run.ID), backend.StringValue(e.name)},
		Fields: map[string]any{
			"experiment": backend.StringValue(run.ExperimentID),
			"value":      backend.StringValue(e.value()),
		},
		Doc: doc,
	}, nil
}

func decodeEntry(row backend.Row) (runEntry, error) {
	e := runEntry{name: row.Key[1].Str()}
	err := json.Unmarshal(row.Doc, &e.entryDoc)
	if err == nil {
		switch sort, _, _ := strings.Cut(e.name, "."); {
		case sort+"." == metricEntry && e.Point == nil, sort+"." == inputEntry && e.Input == nil,
			sort+"." == outputEntry && e.Output == nil:
			err = errors.New("it has no content")
		case e.Point != nil:
			e.point, err = e.Point.point()
		}
	}
	if err != nil {
		return e, fmt.Errorf("entry %v of a run: %w: %w", row.Key, ErrCorrupt, err)
	}
	return e, nil
}

// setEntries gives a run what entries say, and nothing else.
func (r *Run) setEntries(entries []runEntry) {
	tags, params := map[string]string{}, map[string]string{}
	r.Metrics, r.Inputs, r.Outputs = nil, nil, nil
	slices.SortStableFunc(entries, func(a, b runEntry) int { return a.Place - b.Place })
	for _, e := range entries {
		sort, key, _ := strings.Cut(e.name, ".")
		switch sort + "." {
		case tagEntry:
			tags[key] = e.Text
		case paramEntry:
			params[key] = e.Text
		case metricEntry:
			if r.Metrics == nil {
				r.Metrics = map[string]MetricPoint{}
			}
			r.Metrics[key] = e.point
		case inputEntry:
			r.Inputs = append(r.Inputs, *e.Input)
		case outputEntry:
			r.Outputs = append(r.Outputs, *e.Output)
		}
	}
	r.Tags, r.Params = MapOf(tags), MapOf(params)
}

// A finder finds rows, in a transaction or out of it.
type finder func(backend.Query) ([]backend.Row, error)

// entriesOfRuns reads entries of runs, by run: those of some names, or with nil all.
func entriesOfRuns(find finder, runs []string, names []string) (map[string][]runEntry, error) {
	q := backend.Query{Table: tableRunEntries, Where: []backend.Cond{equal(backend.Cond{Field: "run"}, stringValues(runs))}}
	if names != nil {
		q.Where = append(q.Where, equal(backend.Cond{Field: "entry"}, stringValues(names)))
	}
	return findEntries(find, q)
}

// inputsOfRuns reads the inputs of runs, by run.
func inputsOfRuns(find finder, runs []string) (map[string][]runEntry, error) {
	return findEntries(find, backend.Query{Table: tableRunEntries, Where: []backend.Cond{
		equal(backend.Cond{Field: "run"}, stringValues(runs)),
		{Field: "entry", Op: backend.Prefix, Value: backend.StringValue(inputEntry)},
	}})
}

func findEntries(find finder, q backend.Query) (map[string][]runEntry, error) {
	rows, err := find(q)
	if err != nil {
		return nil, fmt.Errorf("read what runs have: %w", err)
	}
	out := map[string][]runEntry{}
	for _, row := range rows {
		e, err := decodeEntry(row)
		if err != nil {
			return nil, err
		}
		out[row.Key[0].Str()] = append(out[row.Key[0].Str()], e)
	}
	return out, nil
}

func stringValues(texts []string) []backend.Value {
	values := make([]backend.Value, 0, len(texts))
	for _, s := range slices.Compact(slices.Sorted(slices.Values(texts))) {
		values = append(values, backend.StringValue(s))
	}
	return values
}

// readEntries reads all that runs have.
func readEntries(find finder, runs ...*Run) error {
	if len(runs) == 0 {
		return nil
	}
	ids := make([]string, len(runs))
	for i, run := range runs {
		ids[i] = run.ID
	}
	entries, err := entriesOfRuns(find, ids, nil)
	if err != nil {
		return err
	}
	for _, run := range runs {
		run.setEntries(entries[run.ID])
	}
	return nil
}

// A runChange is what a transaction makes of the entries of a run.
type runChange struct {
	run    *runRow
	old    map[string]runEntry // of the names that may change, those that are there
	put    map[string]runEntry
	remove []string
}

// changeEntries begins to change entries of names.
func (r *runRow) changeEntries(find finder, names []string) (*runChange, error) {
	c := &runChange{run: r, old: map[string]runEntry{}, put: map[string]runEntry{}}
	if len(names) == 0 {
		return c, nil
	}
	entries, err := entriesOfRuns(find, []string{r.ID}, names)
	if err != nil {
		return nil, err
	}
	for _, e := range entries[r.ID] {
		c.old[e.name] = e
	}
	return c, nil
}

// get is the entry of that name as it is now.
func (c *runChange) get(name string) (runEntry, bool) {
	if e, ok := c.put[name]; ok {
		return e, true
	}
	e, ok := c.old[name]
	return e, ok
}

func (c *runChange) setTag(key, value string) {
	e := textEntry(tagEntry, key, value)
	if old, ok := c.get(e.name); !ok || old.Text != value {
		c.set(e)
	}
}

func (c *runChange) setParam(key, value string) error {
	e := textEntry(paramEntry, key, value)
	old, ok := c.get(e.name)
	if ok && old.Text != value {
		return fmt.Errorf("param %q of run %s: %w: it is %.80q already, and a param never changes; not %.80q",
			key, c.run.ID, ErrInvalid, old.Text, value)
	}
	if !ok {
		c.set(e)
	}
	return nil
}

func (c *runChange) setPoint(p MetricPoint) {
	e := pointEntry(p)
	if old, ok := c.get(e.name); !ok || !old.point.newer(p) {
		c.set(e)
	}
}

// addInput adds an input, unless it is there: the first says what it was for.
func (c *runChange) addInput(in RunInput) {
	e := in.entry()
	if _, ok := c.get(e.name); !ok {
		c.place(&e)
		c.set(e)
	}
}

func (c *runChange) setOutput(out RunOutput) {
	e := out.entry()
	old, ok := c.get(e.name)
	switch {
	case !ok:
		c.place(&e)
	case *old.Output == out:
		return
	default:
		e.Place = old.Place
	}
	c.set(e)
}

// place puts an entry behind all that have a place.
func (c *runChange) place(e *runEntry) {
	c.run.Placed++
	e.Place = c.run.Placed
}

func (c *runChange) set(e runEntry) {
	old, ok := c.get(e.name)
	if ok {
		c.run.Bytes -= old.size()
	} else {
		c.run.Entries++
	}
	c.run.Bytes += e.size()
	c.put[e.name] = e
}

// unset removes an entry if it is there.
func (c *runChange) unset(name string) {
	e, ok := c.get(name)
	if !ok {
		return
	}
	c.run.Entries--
	c.run.Bytes -= e.size()
	delete(c.put, name)
	if _, ok := c.old[name]; ok {
		delete(c.old, name)
		c.remove = append(c.remove, name)
	}
}

// write writes what has changed.
func (c *runChange) write(tx backend.Tx) error {
	if n := len(c.put); n > 0 && (c.run.Entries > maxRunEntries || c.run.Bytes > maxRunBytes) {
		return fmt.Errorf("run %s: %w: it would have %d tags, params, metrics, inputs and outputs of %d bytes, at most %d of %d",
			c.run.ID, ErrInvalid, c.run.Entries, c.run.Bytes, maxRunEntries, maxRunBytes)
	}
	if len(c.remove) > 0 {
		keys := make([]backend.Key, len(c.remove))
		for i, name := range c.remove {
			keys[i] = backend.Key{backend.StringValue(c.run.ID), backend.StringValue(name)}
		}
		if err := tx.Delete(tableRunEntries, keys...); err != nil {
			return fmt.Errorf("delete from run: %w", err)
		}
	}
	if len(c.put) == 0 {
		return nil
	}
	rows := make([]backend.Row, 0, len(c.put))
	for _, name := range slices.Sorted(maps.Keys(c.put)) {
		e := c.put[name]
		row, err := e.row(&c.run.Run)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	if err := tx.Put(tableRunEntries, rows...); err != nil {
		return fmt.Errorf("write what the run has: %w", err)
	}
	return nil
}

// bitsText prints f so that texts sort as numbers do; what is no number is above all of them.
func bitsText(f float64) string { return fmt.Sprintf("%016x", sortableBits(f)) }
