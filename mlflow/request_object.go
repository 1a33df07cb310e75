package mlflow

import "time"

// whole is the body of the request as an object.
func (c *call) whole() object { return object{c: c, fields: c.body} }

// needed is o, where the field has to be.
func (o object) needed(name string) object {
	if o.fields[name] == nil {
		o.c.missing(o.path(name))
	}
	return o
}

// object is a field that is an object and has to be.
func (o object) object(name string) object {
	fields, ok := o.fields[name].(map[string]any)
	if !ok {
		o.needed(name).c.wrongType(o.path(name), o.fields[name])
	}
	return object{o.c, o.path(name), fields}
}

// pairs is a field that lists tags or params: of two with one key the last counts.
func (o object) pairs(name string) map[string]string {
	return pairsOf(o.c.objectsOf(o.path(name), o.fields[name]))
}

// pairs is object.pairs of the request.
func (c *call) pairs(name string) map[string]string { return pairsOf(c.objects(name)) }

// tags are pairs that no client uses for the server's own.
func (o object) tags() map[string]string {
	tags := o.pairs("tags")
	for key := range tags {
		o.c.mistake(checkOwnTag(key))
	}
	return tags
}

func (c *call) tags() map[string]string { return c.whole().tags() }

// tagKey is the name of one tag that is to be changed.
func (c *call) tagKey() string {
	key := c.required("key")
	c.mistake(checkOwnTag(key))
	return key
}

func pairsOf(objects []object) map[string]string {
	out := make(map[string]string, len(objects))
	for _, o := range objects {
		out[o.required("key")] = o.text("value")
	}
	return out
}

// instant is a field with a time in milliseconds since 1970, which no backend keeps beyond the year 9999.
func (o object) instant(name string) time.Time {
	before, ms := o.c.problem, o.integer(name, 0)
	if o.c.problem == before && (ms < 0 || ms >= 253402300800_000) {
		o.c.mistake(invalid("Invalid value %d for parameter '%s' supplied: it has to be a nonnegative number of milliseconds since 1970.", ms, o.path(name)))
	}
	return time.UnixMilli(ms)
}
