package modelregistry

import (
	"encoding/json"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// A docScanner reads documents in the form in which the registry writes them: without white space and escapes, names in
// lower case, the entries of maps in order. Of anything else it says that it failed, and encoding/json reads it: what
// the two return is the same. It is there because resolving from a database would else be mostly encoding/json.
//
// Strings are parts of doc, which lives on with them.
type docScanner struct {
	doc    string
	at     int
	failed bool
}

// take passes over c, or fails.
func (s *docScanner) take(c byte) {
	if !s.next(c) {
		s.failed = true
	}
}

// next passes over c if it is next.
func (s *docScanner) next(c byte) bool {
	if s.failed || s.at >= len(s.doc) || s.doc[s.at] != c {
		return false
	}
	s.at++
	return true
}

// members calls member for each member of an object, between its name and its value.
func (s *docScanner) members(member func(name string)) {
	s.take('{')
	if s.next('}') {
		return
	}
	for !s.failed {
		name := s.text()
		s.take(':')
		member(name)
		if s.next('}') {
			return
		}
		s.take(',')
	}
}

// quoted reads a string with its quotes.
func (s *docScanner) quoted() string {
	begin := s.at
	s.take('"')
	ascii := true
	for ; !s.failed && s.at < len(s.doc); s.at++ {
		c := s.doc[s.at]
		if c == '"' {
			s.at++
			q := s.doc[begin:s.at]
			s.failed = !ascii && !utf8.ValidString(q)
			return q
		}
		if c == '\\' || c < ' ' {
			break
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	s.failed = true
	return `""`
}

func (s *docScanner) text() string {
	q := s.quoted()
	return q[1 : len(q)-1]
}

// number reads a number's characters; fraction is that it is not written as an integer.
func (s *docScanner) number() (text string, fraction bool) {
	begin := s.at
	s.next('-')
	if !s.next('0') {
		s.digits()
	}
	if s.next('.') {
		fraction = true
		s.digits()
	}
	if s.next('e') {
		fraction = true
		if !s.next('+') {
			s.next('-')
		}
		s.digits()
	}
	return s.doc[begin:s.at], fraction
}

// digits passes over one or more.
func (s *docScanner) digits() {
	begin := s.at
	for s.at < len(s.doc) && '0' <= s.doc[s.at] && s.doc[s.at] <= '9' {
		s.at++
	}
	s.failed = s.failed || s.at == begin
}

func (s *docScanner) int64() int64 {
	text, fraction := s.number()
	n, err := strconv.ParseInt(text, 10, 64)
	s.failed = s.failed || fraction || err != nil
	return n
}

func (s *docScanner) float() float64 {
	if s.at < len(s.doc) && s.doc[s.at] == '"' {
		switch s.quoted() {
		case jsonInf:
			return math.Inf(1)
		case jsonNegInf:
			return math.Inf(-1)
		}
		s.failed = true
		return 0
	}
	text, _ := s.number()
	f, err := strconv.ParseFloat(text, 64)
	s.failed = s.failed || err != nil
	return f
}

func (s *docScanner) int() int {
	n := s.int64()
	s.failed = s.failed || int64(int(n)) != n
	return int(n)
}

func (s *docScanner) time() (t time.Time) {
	q := s.quoted()
	s.failed = s.failed || t.UnmarshalJSON([]byte(q)) != nil
	return t
}

func (s *docScanner) semver() (v Semver) {
	text := s.text()
	s.failed = s.failed || v.UnmarshalText([]byte(text)) != nil
	return v
}

func (s *docScanner) set() Set {
	var members []string
	s.take('[')
	for !s.failed && !s.next(']') {
		if len(members) > 0 {
			s.take(',')
		}
		m := s.text()
		s.failed = s.failed || len(members) > 0 && members[len(members)-1] >= m
		members = append(members, m)
	}
	return Set{members}
}

// scanMap reads a Map whose values value reads.
func scanMap[V string | float64](s *docScanner, value func() V) Map[V] {
	var entries []entry[V]
	s.members(func(name string) {
		s.failed = s.failed || len(entries) > 0 && entries[len(entries)-1].name >= name
		entries = append(entries, entry[V]{name, value()})
	})
	return Map[V]{entries}
}

// skip passes over a value of any kind. It trusts that doc is valid.
func (s *docScanner) skip() {
	depth, text := 0, false
	for ; s.at < len(s.doc); s.at++ {
		c := s.doc[s.at]
		switch {
		case text && c == '\\':
			s.at++
			continue
		case c == '"':
			text = !text
		case text:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth == 0 {
				return
			}
			depth--
		case c == ',' && depth == 0:
			return
		}
	}
	s.failed = true
}

// jsonMembers returns the members of an object as json.Marshal writes it; ok is false for any other document.
func jsonMembers(doc []byte) (fields map[string]json.RawMessage, ok bool) {
	fields = make(map[string]json.RawMessage, 16)
	s := &docScanner{doc: string(doc)}
	s.members(func(name string) {
		begin := s.at
		s.skip()
		if !s.failed {
			fields[name] = doc[begin:s.at:s.at]
		}
	})
	return fields, !s.failed && s.at == len(s.doc)
}

// scan reads doc into v, whose fields are zero; on false they are anything.
func (v *Version) scan(doc []byte) bool {
	s := &docScanner{doc: string(doc)}
	s.members(func(name string) {
		switch name {
		case "model":
			v.Model = s.text()
		case "model_id":
			v.ModelID = s.text()
		case "number":
			v.Number = s.int()
		case "stage":
			v.Stage = Stage(s.text())
		case "stage_since":
			v.StageSince = s.time()
		case "aliases":
			v.Aliases = s.set()
		case "semver":
			v.Semver = s.semver()
		case "description":
			v.Description = s.text()
		case "tags":
			v.Tags = scanMap(s, s.text)
		case "params":
			v.Params = scanMap(s, s.text)
		case "metrics":
			v.Metrics = scanMap(s, s.float)
		case "run_id":
			v.RunID = s.text()
		case "source":
			v.Source = s.text()
		case "digest":
			v.Digest = s.text()
		case "size":
			v.Size = s.int64()
		case "files":
			v.FileCount = s.int()
		case "created_by":
			v.CreatedBy = s.text()
		case "created":
			v.Created = s.time()
		case "updated":
			v.Updated = s.time()
		default:
			s.failed = true
		}
	})
	return !s.failed && s.at == len(s.doc)
}
