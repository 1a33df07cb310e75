package modelregistry

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/modelregistry-go/modelregistry/backend"
)

// An orderKey is one key of an order.
type orderKey struct {
	entity entity
	attr   *attribute    // of entAttribute
	key    string        // of the others
	about  MetricDataset // that a metric was measured on; empty: any
	desc   bool
}

func (k orderKey) name() string {
	name := (&condition{entity: k.entity, attr: k.attr, key: k.key}).field()
	if k.about != (MetricDataset{}) {
		name += " ON " + Quote(k.about.Name) + " " + Quote(k.about.Digest)
	}
	return name
}

// same says whether both order by one thing.
func (k orderKey) same(as orderKey) bool {
	return k.entity == as.entity && k.attr == as.attr && k.key == as.key && k.about == as.about
}

// field is the One field or key part of the table; "" if there is none.
func (k orderKey) field() string {
	if k.attr == nil {
		return ""
	}
	return k.attr.field
}

// streams says whether a backend can order by k. Only sorting puts last what is missing in either direction.
func (k orderKey) streams() bool { return k.field() != "" && !k.attr.optional() }

func (k orderKey) kind() backend.Kind {
	switch {
	case k.entity == entMetric:
		return backend.Float
	case k.entity != entAttribute:
		return backend.String
	case k.attr.kind == kindInt:
		return backend.Int
	case k.attr.kind == kindTime:
		return backend.Time
	}
	return backend.String
}

// A place is the value of one key.
type place struct {
	value backend.Value
	rank  placeRank
}

// A placeRank comes before the value, whichever the direction: one looks for the best, and neither what is missing nor
// what is not a number ever is.
type placeRank uint8

const (
	placeValue placeRank = iota
	placeNaN
	placeMissing
)

// maxOrderText is how many characters one key of an order has at most.
const maxOrderText = maxKey + 2*maxDataset + 80

// maxPlace is up to how many bytes text that is longer than a key part decides an order: a page token holds it.
const maxPlace = 512

func (k orderKey) place(x found) place {
	var text string
	switch {
	case k.entity == entMetric:
		f, ok := k.metric(x)
		switch {
		case !ok:
			return place{rank: placeMissing}
		case math.IsNaN(f):
			return place{rank: placeNaN, value: backend.FloatValue(0)}
		}
		return place{value: backend.FloatValue(f)}
	case k.entity != entAttribute:
		var ok bool
		if text, ok = x.entry(k.entity, k.key); !ok {
			return place{rank: placeMissing}
		}
	case k.attr.field == "":
		text = x.text(k.attr.id)
	case k.attr.optional() && x.int(k.attr.id) == noTime:
		return place{rank: placeMissing}
	default:
		return place{value: x.column(k.attr.field)}
	}
	if len(text) > maxPlace {
		end := maxPlace
		for !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end]
	}
	return place{value: backend.StringValue(text)}
}

func (k orderKey) metric(x found) (value float64, ok bool) {
	if c, ok := x.(candidate); ok {
		x = c.found
	}
	m, ok := x.(measuredFound)
	switch {
	case !ok:
		return x.metric(k.key)
	case k.about == MetricDataset{}:
		return m.newest(k.key, nil)
	}
	return m.newest(k.key, []MetricDataset{k.about})
}

// compare orders a before b, or not.
func (k orderKey) compare(a, b place) int {
	switch {
	case a.rank != b.rank:
		return int(a.rank) - int(b.rank)
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
		if slices.ContainsFunc(keys, key.same) {
			return nil, fmt.Errorf("order_by: %w: %s is there twice", ErrInvalid, key.name())
		}
		keys = append(keys, key)
	}
	for _, text := range subject.order {
		key, err := parseOrderKey(subject, text)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(keys, key.same) {
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

// scanOrder is an order that backends have, in which to read all that is to be sorted.
func (s *searchSubject) scanOrder() []orderKey {
	fields := s.key
	if s.scan != "" {
		fields = append([]string{s.scan}, fields...)
	}
	keys := make([]orderKey, len(fields))
	for n, field := range fields {
		i := slices.IndexFunc(s.attributes, func(a attribute) bool { return a.field == field })
		keys[n] = orderKey{attr: &s.attributes[i]}
	}
	return keys
}

// parseOrderKey reads: attribute [ASC|DESC], or metrics.key [ASC|DESC] and the like; of logged models also
// metrics.key ON 'data set' ['digest'] [ASC|DESC].
func parseOrderKey(subject *searchSubject, text string) (orderKey, error) {
	fail := func(reason string) (orderKey, error) {
		return orderKey{}, fmt.Errorf("order_by %.80q: %w: %s", text, ErrInvalid, reason)
	}
	if err := checkText("order_by", text, maxOrderText); err != nil {
		return orderKey{}, err
	}
	lex := lexer{src: text}
	t := lex.next()
	if t.kind != tokenWord && (t.kind != tokenTicked || !subject.wide) {
		return fail("write one of " + subject.orderNames() + ", and ASC or DESC behind it")
	}
	prefix, name, dotted := strings.Cut(t.text, ".")
	key := orderKey{attr: subject.attribute(t.text)}
	if dotted && t.kind == tokenWord && slices.Contains(subject.entities, prefix) {
		if name == "" && (entityWords[prefix] == entMetric || subject.wide) {
			quoted := lex.next()
			if quoted.kind != tokenString && quoted.kind != tokenTicked || quoted.at != len(t.raw)+t.at || quoted.text == "" {
				return fail("behind " + t.text + " stands the name of a " + strings.TrimSuffix(prefix, "s"))
			}
			name = quoted.text
		}
		key.entity, key.attr = subject.field(prefix, name)
		key.key = name
	}
	if key.entity == entAttribute {
		key.key = ""
	}
	if !subject.ordersBy(key) {
		return fail(subject.what + " are ordered by " + subject.orderNames())
	}
	direction := lex.next()
	if key.entity == entMetric && subject.aside == modelAside && direction.kind == tokenWord && strings.EqualFold(direction.text, "ON") {
		name := lex.next()
		if name.kind != tokenString {
			return fail("behind ON stands the name of a data set in quotes, and its digest if need be")
		}
		key.about.Name = name.text
		if direction = lex.next(); direction.kind == tokenString {
			key.about.Digest = direction.text
			direction = lex.next()
		}
		if key.about == (MetricDataset{}) {
			return fail("behind ON stands a data set, and it has neither a name nor a digest")
		}
	}
	key.desc = strings.EqualFold(direction.text, "DESC")
	if direction.kind != tokenEnd && (direction.kind != tokenWord || !key.desc && !strings.EqualFold(direction.text, "ASC")) {
		return fail("behind the key stands ASC or DESC")
	}
	if lex.next().kind != tokenEnd {
		return fail("each key is an element of its own")
	}
	return key, nil
}

// ordersBy says whether k can be ordered by: not what has many values, and mostly not what only the document has.
func (s *searchSubject) ordersBy(k orderKey) bool {
	switch k.entity {
	case entAttribute:
		return k.attr != nil && k.attr.kind != kindSet && (k.attr.field != "" || s.wide)
	case entMetric:
		return true
	}
	return s.wide
}

// orderNames lists what can be ordered by, for messages.
func (s *searchSubject) orderNames() string {
	var names []string
	for i := range s.attributes {
		if a := &s.attributes[i]; s.ordersBy(orderKey{attr: a}) {
			names = append(names, a.name())
		}
	}
	for _, plural := range []string{"metrics", "params", "tags"} {
		if slices.Contains(s.entities, plural) && s.ordersBy(orderKey{entity: entityWords[plural]}) {
			names = append(names, plural+".key")
		}
	}
	return strings.Join(names, ", ")
}
