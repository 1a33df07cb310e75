package sqldb

import (
	"fmt"
	"math"
	"sync"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A shape is what the statement of a plain query depends on: which fields are compared by =, and how the rows are
// ordered, but no value. Resolving asks queries of a few shapes, each a great many times, and making their text anew was
// a quarter of what that cost.
type shape struct {
	fields        [shapeFields]string
	order         string
	desc, limited bool
}

const (
	shapeFields = 3
	// Longer strings may be compared by their first characters too, which makes two arguments of one value.
	shapeString = 64
)

// A template is the statement of a shape.
type template struct {
	text  []byte // never changed
	args  []int  // which condition's value each argument is; limitArg: the limit
	point bool
}

const limitArg = -1

// shapes are the templates of a table's shapes, as they were first asked for; a nil template is of one that has none.
type shapes struct {
	mu sync.RWMutex
	of map[shape]*template
}

// most is how many shapes are remembered: more than a program has.
const mostShapes = 256

// plain is the statement of q, made from the template of its shape; it is nil if q is not that plain.
func (t *table) plain(d *Dialect, q backend.Query) (s *script, point bool) {
	if len(q.Where) == 0 || len(q.Where) > shapeFields || len(q.After) > 0 || q.Settled || q.Fields || t.rowKeyed(d) {
		return nil, false
	}
	sh := shape{order: q.Order, desc: q.Desc, limited: q.Limit > 0}
	for i, c := range q.Where {
		if c.Op != backend.Eq || c.Name != "" || c.Value.Kind() > backend.Int {
			return nil, false
		}
		if c.Value.Kind() == backend.String && (c.Value.Str() == "" || len(c.Value.Str()) > shapeString) {
			return nil, false
		}
		sh.fields[i] = c.Field
	}
	t.shapes.mu.RLock()
	tpl, ok := t.shapes.of[sh]
	t.shapes.mu.RUnlock()
	if !ok {
		tpl = t.newTemplate(d, q)
		t.shapes.add(sh, tpl)
	}
	if tpl == nil {
		return nil, false
	}
	s = &script{d: d, text: tpl.text, args: make([]any, len(tpl.args))}
	for i, from := range tpl.args {
		if from == limitArg {
			s.args[i] = int64(q.Limit)
		} else {
			s.args[i] = native(q.Where[from].Value)
		}
	}
	return s, tpl.point
}

func (m *shapes) add(sh shape, tpl *template) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of == nil {
		m.of = map[shape]*template{}
	}
	if len(m.of) < mostShapes {
		m.of[sh] = tpl
	}
}

// newTemplate makes the statement with marks for values, and finds them again among its arguments.
func (t *table) newTemplate(d *Dialect, q backend.Query) *template {
	marks := map[any]int{}
	where := make([]backend.Cond, len(q.Where))
	for i, c := range q.Where {
		if c.Value.Kind() == backend.String {
			c.Value = backend.StringValue(fmt.Sprintf("mark %d", i))
		} else {
			c.Value = backend.IntValue(math.MinInt64 + int64(i))
		}
		marks[native(c.Value)] = i
		where[i] = c
	}
	q.Where = where
	if q.Limit > 0 {
		q.Limit = math.MaxInt32
		marks[int64(math.MaxInt32)] = limitArg
	}
	s, point, empty := t.find(d, q, false)
	if empty {
		return nil
	}
	tpl := &template{text: s.text, point: point}
	for _, a := range s.args {
		from, ok := marks[a]
		if !ok {
			return nil
		}
		tpl.args = append(tpl.args, from)
	}
	return tpl
}
