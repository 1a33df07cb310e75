package sqldb

import (
	"slices"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A selection is a Query as it is asked of the database.
type selection struct {
	t     *table
	q     backend.Query
	lead  *side                    // the side table whose index finds the rows; nil for the table itself
	by    int                      // the condition on lead
	bound map[string]backend.Value // columns that one value is demanded of
	point bool                     // an index finds exactly the rows that are asked for
}

// find is the statement of q; empty says that no row can meet it. With prints it selects what a Put
// compares, too.
func (t *table) find(d *Dialect, q backend.Query, prints bool) (s *script, point, empty bool) {
	sel := &selection{t: t, q: q, by: -1}
	if sel.normalize(d) {
		return nil, true, true
	}
	sel.choose()
	order, after, empty := sel.page()
	if empty {
		return nil, true, true
	}

	s = d.script()
	s.add("SELECT ").columns("t.", t.key).add(`, t."doc"`)
	if prints && t.printed() {
		s.add(", t.", fingerprint.quoted)
	}
	if prints && t.compared(d) {
		s.add(", ").columns("t.", t.ones)
	}
	if q.Fields {
		if len(t.ones) > 0 {
			s.add(", ").columns("t.", t.ones)
		}
		s.sides(t)
	}
	s.add(" FROM ")
	joined := sel.lead != nil && !sel.multiple()
	if joined {
		s.add(sel.lead.quoted, " AS s CROSS JOIN ")
	}
	s.add(t.quoted, " AS t")

	and := " WHERE "
	next := func() *script {
		s.add(and)
		and = " AND "
		return s
	}
	if joined {
		for _, k := range t.key {
			next().add("t.", k.quoted, " = s.", k.quoted)
		}
		next().sideCond("s.", sel.lead, sel.q.Where[sel.by], true)
	} else if sel.lead != nil {
		sel.among(next())
	}
	for i, c := range sel.q.Where {
		if i == sel.by {
			continue
		}
		if side := t.side(c.Field); side != nil {
			next().sideExists(t, side, c)
			continue
		}
		alias := "t."
		if _, key, _ := t.decl.Field(c.Field); key && joined {
			alias = "s." // so that the side's index serves it
		}
		next().cond(alias, t.column(c.Field), c, true)
	}
	for _, name := range sel.dense() {
		next().add("t.", quote(name), " <> ''")
	}
	if q.Settled && d.Settled != "" {
		next().add(settled(d, "t."+t.key[0].quoted))
	}
	if len(after) > 0 {
		next()
		sel.behind(s, order, after, joined)
	}
	sel.ordered(s, order, joined)
	if q.Limit > 0 {
		s.add(" LIMIT ").arg(int64(q.Limit))
	}
	return s, sel.point, false
}

// normalize brings the conditions into the form that is asked; it reports whether no row can meet them.
func (sel *selection) normalize(d *Dialect) (empty bool) {
	where := make([]backend.Cond, 0, len(sel.q.Where))
	for _, c := range sel.q.Where {
		conds := []backend.Cond{c}
		if sel.t.rowKeyed(d) && c.Field == backend.PositionField {
			conds = rowConds(c)
		}
		for _, c := range conds {
			switch {
			case c.Op == backend.In && len(c.Values) == 0:
				return true
			case c.Op == backend.In && len(c.Values) == 1:
				c.Op, c.Value, c.Values = backend.Eq, c.Values[0], nil
			case c.Op == backend.Prefix && c.Value.Str() == "" && sel.t.side(c.Field) == nil:
				continue // every string begins with ""
			}
			where = append(where, c)
		}
	}
	sel.q.Where = where
	if sel.t.rowKeyed(d) && len(sel.q.After) > 0 {
		after := slices.Clone(sel.q.After)
		for i, v := range after {
			if i == len(after)-1 || sel.q.Order == backend.PositionField {
				after[i] = backend.IntValue(rowAfter(v.Str(), sel.q.Desc))
			}
		}
		sel.q.After = after
	}
	sel.bound = map[string]backend.Value{}
	for _, c := range sel.q.Where {
		if _, _, ok := sel.t.decl.Field(c.Field); ok && c.Op == backend.Eq && sel.t.side(c.Field) == nil {
			sel.bound[c.Field] = c.Value
		}
	}
	return false
}

// rowKeyed says that the table's key is stored as a row id.
func (t *table) rowKeyed(d *Dialect) bool { return t.decl.Log && d.Serial }

// choose looks for the index that narrows most, since neither engine knows: SQLite keeps no statistics unless told to,
// and those of Postgres are old when a store is new.
func (sel *selection) choose() {
	t, conds := sel.t, len(sel.q.Where)
	if sel.binds(keyNames(t)) {
		sel.point = true
		return
	}
	best := 0
	const range1, entry, plain, unique = 1, 2, 3, 4
	for _, x := range t.chosen {
		if !sel.binds(x.fields) {
			continue
		}
		rank := plain
		if x.unique {
			rank = unique
		}
		best = max(best, rank)
		sel.point = sel.point || conds == len(x.fields) && (x.unique || sel.q.Limit > 0)
	}
	for i, c := range sel.q.Where {
		side := t.side(c.Field)
		if side == nil {
			continue
		}
		for j, fields := range side.indexes {
			keys := fields[:len(fields)-1]
			if !sel.binds(keys) {
				continue
			}
			rank := 0
			switch {
			case c.Op == backend.Eq && side.unique[j]:
				rank = unique
			case c.Op == backend.Eq:
				rank = entry
			case c.Op == backend.In, c.Op == backend.Prefix && c.Value.Str() != "", sel.q.Limit == 0:
				rank = range1
			}
			if rank > best {
				best, sel.lead, sel.by = rank, side, i
				sel.point = c.Op == backend.Eq && conds == len(fields) && (side.unique[j] || sel.q.Limit > 0)
			}
		}
	}
}

// binds says that one value is demanded of each of fields.
func (sel *selection) binds(fields []string) bool {
	for _, f := range fields {
		if _, ok := sel.bound[f]; !ok {
			return false
		}
	}
	return true
}

func keyNames(t *table) []string {
	names := make([]string, len(t.key))
	for i, k := range t.key {
		names[i] = k.name
	}
	return names
}

// multiple says that several entries of one row can meet the condition on lead, so that a join would repeat the row.
func (sel *selection) multiple() bool {
	return sel.lead.field.Shape == backend.Set && sel.q.Where[sel.by].Op != backend.Eq
}

// among appends the condition that the key is one that lead's index finds.
func (sel *selection) among(s *script) {
	s.add("(").columns("t.", sel.t.key).add(") IN (SELECT ").columns("s.", sel.t.key)
	s.add(" FROM ", sel.lead.quoted, " AS s WHERE ").sideCond("s.", sel.lead, sel.q.Where[sel.by], true)
	for _, c := range sel.q.Where {
		if _, key, _ := sel.t.decl.Field(c.Field); key {
			s.add(" AND ").cond("s.", sel.t.column(c.Field), c, true)
		}
	}
	s.add(")")
}

// dense lists the fields for which it has to be spelt out that they are not "", which the conditions imply: without it
// engines do not see that an index without the rows that have "" will do.
func (sel *selection) dense() []string {
	var names []string
	for _, x := range sel.t.chosen {
		for _, name := range x.sparse {
			if !slices.Contains(names, name) && sel.excludesEmpty(name) {
				names = append(names, name)
			}
		}
	}
	return names
}

func (sel *selection) excludesEmpty(field string) bool {
	for _, c := range sel.q.Where {
		if c.Field != field {
			continue
		}
		switch c.Op {
		case backend.Eq, backend.Ge, backend.Prefix:
			if c.Value.Str() != "" {
				return true
			}
		case backend.Gt:
			return true
		case backend.In:
			if !slices.Contains(c.Values, backend.StringValue("")) {
				return true
			}
		}
	}
	return false
}

// page gives the columns that order the rows and the values to continue behind. Columns of which the conditions demand
// one value order nothing; left in, they keep engines from reading the rest in the order of an index.
func (sel *selection) page() (order []column, after []backend.Value, empty bool) {
	names := keyNames(sel.t)
	if sel.q.Order != "" {
		names = append([]string{sel.q.Order}, names...)
	}
	seen := map[string]bool{}
	for i, name := range names {
		if seen[name] {
			continue
		}
		seen[name] = true
		v, bound := sel.bound[name]
		if bound && (len(sel.q.After) == 0 || sel.q.After[i] == v) {
			continue
		}
		order = append(order, sel.t.column(name))
		if len(sel.q.After) > 0 {
			after = append(after, sel.q.After[i])
		}
	}
	return order, after, len(sel.q.After) > 0 && len(order) == 0
}

// behind appends the condition that rows come behind after.
func (sel *selection) behind(s *script, order []column, after []backend.Value, joined bool) {
	op := ") > ("
	if sel.q.Desc {
		op = ") < ("
	}
	first := order[0].long
	s.add("(")
	if first {
		s.short(sel.alias(order[0], joined) + order[0].quoted).add(", ")
	}
	for i, c := range order {
		if i > 0 {
			s.add(", ")
		}
		s.add(sel.alias(c, joined), c.quoted)
	}
	s.add(op)
	if first {
		s.value(backend.StringValue(firstChars(after[0].Str(), s.d.IndexChars))).add(", ")
	}
	for i, v := range after {
		if i > 0 {
			s.add(", ")
		}
		s.value(v)
	}
	s.add(")")
}

func (sel *selection) ordered(s *script, order []column, joined bool) {
	if len(order) == 0 {
		return
	}
	dir := ""
	if sel.q.Desc {
		dir = " DESC"
	}
	s.add(" ORDER BY ")
	if order[0].long {
		s.short(sel.alias(order[0], joined)+order[0].quoted).add(dir, ", ")
	}
	for i, c := range order {
		if i > 0 {
			s.add(", ")
		}
		s.add(sel.alias(c, joined), c.quoted, dir)
	}
}

// alias is the table to name column c of: key parts of the side table when it leads, whose index may be in their order.
func (sel *selection) alias(c column, joined bool) string {
	if _, key, _ := sel.t.decl.Field(c.name); key && joined {
		return "s."
	}
	return "t."
}
