package backend

import (
	"fmt"
	"regexp"
	"slices"
)

var nameRE = regexp.MustCompile(`^[a-z][a-z_]{0,40}$`)

// Table returns the declaration of the table called name.
func (s Schema) Table(name string) (*Table, error) {
	for i := range s.Tables {
		if s.Tables[i].Name == name {
			return &s.Tables[i], nil
		}
	}
	return nil, fmt.Errorf("table %q: %w: not declared", name, ErrInvalid)
}

// Validate says whether the declaration keeps the rules that the types' comments state.
func (s Schema) Validate() error {
	if s.Format < 1 {
		return fmt.Errorf("schema: %w: Format is %d; it counts from 1", ErrInvalid, s.Format)
	}
	seen := map[string]bool{}
	for i := range s.Tables {
		t := &s.Tables[i]
		if !nameRE.MatchString(t.Name) || seen[t.Name] {
			return fmt.Errorf("schema: %w: table name %q is not lower-case ASCII, or declared twice", ErrInvalid, t.Name)
		}
		seen[t.Name] = true
		if err := t.validate(); err != nil {
			return fmt.Errorf("schema: table %s: %w", t.Name, err)
		}
	}
	return nil
}

func (t *Table) validate() error {
	if t.Log != (len(t.Key) == 0) {
		return fmt.Errorf("%w: a Log has no key parts, any other table has some", ErrInvalid)
	}
	seen := map[string]bool{}
	for i, f := range slices.Concat(t.Key, t.Fields) {
		key := i < len(t.Key)
		switch {
		case !nameRE.MatchString(f.Name) || seen[f.Name] || f.Name == PositionField || f.Name == "doc":
			return fmt.Errorf("%w: field name %q is not lower-case ASCII, is reserved, or is declared twice", ErrInvalid, f.Name)
		case key && (f.Shape != One || f.Kind > Int):
			return fmt.Errorf("%w: key part %s is not a One of String or Int", ErrInvalid, f.Name)
		case f.Kind > Time || f.Shape > Map:
			return fmt.Errorf("%w: field %s has an unknown kind or shape", ErrInvalid, f.Name)
		case f.Max < 0 || f.Max > MaxValue || key && f.Max > MaxKeyPart:
			return fmt.Errorf("%w: field %s says that its values have up to %d bytes; a key part has up to %d, any other %d",
				ErrInvalid, f.Name, f.Max, MaxKeyPart, MaxValue)
		case f.Shape == Set && f.Kind != String:
			return fmt.Errorf("%w: field %s is a Set of %ss; a Set holds strings", ErrInvalid, f.Name, f.Kind)
		}
		seen[f.Name] = true
	}
	for _, x := range t.Indexes {
		if err := t.validateIndex(x); err != nil {
			return fmt.Errorf("index on %v: %w", x.Fields, err)
		}
	}
	return nil
}

func (t *Table) validateIndex(x Index) error {
	if len(x.Fields) == 0 {
		return fmt.Errorf("%w: no fields", ErrInvalid)
	}
	if x.Unique && t.Log {
		return fmt.Errorf("%w: a Log has no unique index", ErrInvalid)
	}
	many := -1
	for i, name := range x.Fields {
		f, _, ok := t.Field(name)
		if !ok {
			return fmt.Errorf("%w: %s is not a field", ErrInvalid, name)
		}
		if many >= 0 {
			return fmt.Errorf("%w: a Set or Map comes last", ErrInvalid)
		}
		if f.Shape == One {
			continue
		}
		many = i
		for _, before := range x.Fields[:i] {
			if _, isKey, _ := t.Field(before); !isKey {
				return fmt.Errorf("%w: beside a Set or Map only key parts can stand, not %s", ErrInvalid, before)
			}
		}
	}
	return nil
}

// CheckStored says whether t can be declared where a store has the table as stored, from earlier declarations. ErrInvalid:
// its key is another, one of the two is a Log, or a field has another kind or shape.
func (t *Table) CheckStored(stored Table) error {
	if t.Log != stored.Log || !slices.EqualFunc(t.Key, stored.Key, sameField) {
		return fmt.Errorf("table %s: %w: the store has it with another key; declare it under a new name", t.Name, ErrInvalid)
	}
	for _, f := range t.Fields {
		i := slices.IndexFunc(stored.Fields, func(g Field) bool { return g.Name == f.Name })
		if i >= 0 && !sameField(f, stored.Fields[i]) {
			return fmt.Errorf("table %s: %w: the store has field %s with another kind or shape; declare it under a new name",
				t.Name, ErrInvalid, f.Name)
		}
	}
	return nil
}

func sameField(f, g Field) bool { return f.Name == g.Name && f.Kind == g.Kind && f.Shape == g.Shape }

// PositionField is the name of a Log's key part in conditions and orders.
const PositionField = "position"

// KeyFields are the key parts; of a Log, its position.
func (t *Table) KeyFields() []Field {
	if t.Log {
		return logKey
	}
	return t.Key
}

var logKey = []Field{{Name: PositionField, Kind: String}}

// Field finds a key part or a field by name; key tells which it is.
func (t *Table) Field(name string) (f Field, key, ok bool) {
	for _, f := range t.KeyFields() {
		if f.Name == name {
			return f, true, true
		}
	}
	for _, f := range t.Fields {
		if f.Name == name {
			return f, false, true
		}
	}
	return Field{}, false, false
}

// CheckKey says whether key is one of t's, in full.
func (t *Table) CheckKey(key Key) error {
	parts := t.KeyFields()
	if len(key) != len(parts) {
		return fmt.Errorf("table %s: %w: key %v has %d parts, not %d", t.Name, ErrInvalid, key, len(key), len(parts))
	}
	for i, v := range key {
		if v.Kind() != parts[i].Kind {
			return fmt.Errorf("table %s: %w: key part %s is a %s, not a %s", t.Name, ErrInvalid, parts[i].Name, v.Kind(), parts[i].Kind)
		}
	}
	return nil
}

// CheckRow says whether row can be put into t: its key (unless t is a Log) and the types of its fields.
func (t *Table) CheckRow(row Row) error {
	if !t.Log {
		if err := t.CheckKey(row.Key); err != nil {
			return err
		}
		for i, v := range row.Key {
			if err := t.checkLengths(t.Key[i], MaxKeyPart, v); err != nil {
				return err
			}
		}
	}
	if len(row.Doc) == 0 || len(row.Doc) > MaxDoc {
		return fmt.Errorf("table %s: %w: a document of %d bytes; it has 1 to %d", t.Name, ErrInvalid, len(row.Doc), MaxDoc)
	}
	for name, content := range row.Fields {
		f, key, ok := t.Field(name)
		if !ok || key {
			return fmt.Errorf("table %s: %w: %q is not a field", t.Name, ErrInvalid, name)
		}
		good := true
		switch c := content.(type) {
		case Value:
			good = f.Shape == One && c.Kind() == f.Kind
		case []string:
			good = f.Shape == Set
		case map[string]Value:
			good = f.Shape == Map
			for _, v := range c {
				good = good && v.Kind() == f.Kind
			}
		default:
			good = false
		}
		if !good {
			return fmt.Errorf("table %s: %w: field %s cannot hold a %T", t.Name, ErrInvalid, name, content)
		}
		if err := t.checkLengths(f, MaxValue, content); err != nil {
			return err
		}
	}
	return nil
}

// checkLengths says whether the content of a key part or field is within its limits.
func (t *Table) checkLengths(f Field, most int, content any) error {
	longest, name := 0, 0
	switch c := content.(type) {
	case Value:
		longest = len(c.Str())
	case []string:
		for _, s := range c {
			longest = max(longest, len(s))
		}
	case map[string]Value:
		for n, v := range c {
			longest, name = max(longest, len(v.Str())), max(name, len(n))
		}
	}
	if f.Max > 0 {
		most = f.Max
	}
	if longest > MaxKeyPart && t.unique(f) {
		most = min(most, MaxKeyPart)
	}
	if longest > most {
		return fmt.Errorf("table %s: %w: a value of %s has %d bytes, more than %d", t.Name, ErrInvalid, f.Name, longest, most)
	}
	if name > MaxName {
		return fmt.Errorf("table %s: %w: a name in %s has %d bytes, more than %d", t.Name, ErrInvalid, f.Name, name, MaxName)
	}
	return nil
}

// unique says whether a unique index has the field.
func (t *Table) unique(f Field) bool {
	return slices.ContainsFunc(t.Indexes, func(x Index) bool { return x.Unique && slices.Contains(x.Fields, f.Name) })
}

// CheckQuery says whether q can be asked of t.
func (t *Table) CheckQuery(q Query) error {
	for _, c := range q.Where {
		f, _, ok := t.Field(c.Field)
		if !ok {
			return fmt.Errorf("table %s: %w: condition on %q, which is not a field", t.Name, ErrInvalid, c.Field)
		}
		if (f.Shape == Map) != (c.Name != "") {
			return fmt.Errorf("table %s: %w: a condition on a Map names an entry, and no other does: %s", t.Name, ErrInvalid, c.Field)
		}
		values := c.Values
		if c.Op != In {
			values = []Value{c.Value}
		}
		for _, v := range values {
			if v.Kind() != f.Kind || c.Op > Prefix || c.Op == Prefix && f.Kind != String {
				return fmt.Errorf("table %s: %w: condition on %s does not fit a %s", t.Name, ErrInvalid, c.Field, f.Kind)
			}
		}
	}
	if q.Limit < 0 {
		return fmt.Errorf("table %s: %w: the limit is %d; 0 is all rows", t.Name, ErrInvalid, q.Limit)
	}
	if q.Settled && !t.Log {
		return fmt.Errorf("table %s: %w: only a Log has settled rows", t.Name, ErrInvalid)
	}
	want := 0
	if q.Order != "" {
		f, _, ok := t.Field(q.Order)
		if !ok || f.Shape != One {
			return fmt.Errorf("table %s: %w: cannot order by %q", t.Name, ErrInvalid, q.Order)
		}
		if len(q.After) > 0 && q.After[0].Kind() != f.Kind {
			return fmt.Errorf("table %s: %w: After does not fit the order", t.Name, ErrInvalid)
		}
		want = 1
	}
	if len(q.After) == 0 {
		return nil
	}
	if len(q.After) < want {
		return fmt.Errorf("table %s: %w: After is cut short", t.Name, ErrInvalid)
	}
	return t.CheckKey(q.After[want:])
}
