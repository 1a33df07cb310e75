package modelregistry

import (
	"fmt"
	"slices"
	"strings"

	"github.com/modelregistry-go/modelregistry/backend"
)

// An orderKey is one key of an order.
type orderKey struct {
	attr   *attribute // a One field or a key part of the table, or nil:
	metric string     // the metric of that name
	desc   bool
}

func (k orderKey) name() string {
	if k.attr == nil {
		return "metrics." + quoteText(k.metric, "`")
	}
	return k.attr.name()
}

// field is the field of the table; "" for a metric.
func (k orderKey) field() string {
	if k.attr == nil {
		return ""
	}
	return k.attr.field
}

func (k orderKey) kind() backend.Kind {
	switch {
	case k.attr == nil:
		return backend.Float
	case k.attr.kind == kindInt:
		return backend.Int
	case k.attr.kind == kindTime:
		return backend.Time
	}
	return backend.String
}

// A place is the value of one key. Only metrics can be missing.
type place struct {
	value   backend.Value
	missing bool
}

func (k orderKey) place(x found) place {
	if k.attr != nil {
		return place{value: x.column(k.attr.field)}
	}
	f, ok := x.metric(k.metric)
	return place{backend.FloatValue(f), !ok}
}

// compare orders a before b, or not. What is missing comes last, whichever the direction: one looks for the best.
func (k orderKey) compare(a, b place) int {
	switch {
	case a.missing || b.missing:
		return boolInt(a.missing) - boolInt(b.missing)
	case k.desc:
		return b.value.Compare(a.value)
	}
	return a.value.Compare(b.value)
}

// positionOf is where x stands in the order.
func positionOf(keys []orderKey, x found) []place {
	at := make([]place, len(keys))
	for i, k := range keys {
		at[i] = k.place(x)
	}
	return at
}

// compareFound orders a and b by keys.
func compareFound(keys []orderKey, a, b found) int {
	for _, k := range keys {
		if c := k.compare(k.place(a), k.place(b)); c != 0 {
			return c
		}
	}
	return 0
}

// isBehind says whether x comes behind a position.
func isBehind(keys []orderKey, x found, position []place) bool {
	for i, at := range position {
		if c := keys[i].compare(keys[i].place(x), at); c != 0 {
			return c > 0
		}
	}
	return false
}

// parseOrder reads Query.OrderBy and completes it to an order in which no two rows are equal.
func parseOrder(subject *searchSubject, orderBy []string) ([]orderKey, error) {
	const maxKeys = 20
	if len(orderBy) > maxKeys {
		return nil, fmt.Errorf("order_by: %w: %d keys, at most %d", ErrInvalid, len(orderBy), maxKeys)
	}
	var keys []orderKey
	for _, text := range orderBy {
		key, err := parseOrderKey(subject, text)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(keys, func(k orderKey) bool { return k.attr == key.attr && k.metric == key.metric }) {
			return nil, fmt.Errorf("order_by: %w: %s is there twice", ErrInvalid, key.name())
		}
		keys = append(keys, key)
	}
	for _, key := range subject.keyOrder(true) {
		if !slices.ContainsFunc(keys, func(k orderKey) bool { return k.attr == key.attr }) {
			keys = append(keys, key)
		}
	}
	// What comes behind the whole key decides nothing.
	missing := len(subject.key)
	for i, k := range keys {
		if slices.Contains(subject.key, k.field()) {
			missing--
		}
		if missing == 0 {
			return keys[:i+1], nil
		}
	}
	return keys, nil
}

// keyOrder is the order by the parts of the key, the highest version number first if newest is set.
func (s *searchSubject) keyOrder(newest bool) []orderKey {
	var keys []orderKey
	for _, part := range s.key {
		i := slices.IndexFunc(s.attributes, func(a attribute) bool { return a.field == part })
		attr := &s.attributes[i]
		keys = append(keys, orderKey{attr: attr, desc: newest && attr.id == attrNumber})
	}
	return keys
}

// parseOrderKey reads: attribute [ASC|DESC], or metrics.key [ASC|DESC].
func parseOrderKey(subject *searchSubject, text string) (orderKey, error) {
	fail := func(reason string) (orderKey, error) {
		return orderKey{}, fmt.Errorf("order_by %.80q: %w: %s", text, ErrInvalid, reason)
	}
	if err := checkText("order_by", text, maxKey+80); err != nil {
		return orderKey{}, err
	}
	lex := lexer{src: text}
	t := lex.next()
	if t.kind != tokenWord {
		return fail("write one of " + subject.orderNames() + ", and ASC or DESC behind it")
	}
	var key orderKey
	prefix, name, dotted := strings.Cut(t.text, ".")
	isMetric := prefix == "metric" || prefix == "metrics"
	switch {
	case dotted && isMetric && slices.Contains(subject.entities, prefix):
		if name == "" {
			quoted := lex.next()
			if quoted.kind != tokenString && quoted.kind != tokenTicked || quoted.at != len(t.raw)+t.at || quoted.text == "" {
				return fail("behind " + t.text + " stands the name of a metric")
			}
			name = quoted.text
		}
		key.metric = name
	default:
		key.attr = subject.attribute(strings.TrimPrefix(t.text, "attribute."))
		if key.attr == nil || key.attr.field == "" || key.attr.kind == kindSet {
			return fail(subject.what + " are ordered by " + subject.orderNames())
		}
	}
	direction := lex.next()
	key.desc = strings.EqualFold(direction.text, "DESC")
	if direction.kind != tokenEnd && (direction.kind != tokenWord || !key.desc && !strings.EqualFold(direction.text, "ASC")) {
		return fail("behind the key stands ASC or DESC")
	}
	if lex.next().kind != tokenEnd {
		return fail("each key is an element of its own")
	}
	return key, nil
}

// orderNames lists what can be ordered by, for messages: not the document's own fields, nor what has many values.
func (s *searchSubject) orderNames() string {
	var names []string
	for i := range s.attributes {
		if a := &s.attributes[i]; a.field != "" && a.kind != kindSet {
			names = append(names, a.name())
		}
	}
	if slices.Contains(s.entities, "metrics") {
		names = append(names, "metrics.key")
	}
	return strings.Join(names, ", ")
}
