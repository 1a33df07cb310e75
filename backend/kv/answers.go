package kv

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// answers remembers what FindMemo returned. Finding by an index of a million rows costs some twenty cache misses; this
// costs two or three.
//
// What an answer depends on is the rows with certain values in certain columns, and these have a stripe. Updates are
// numbered. An Update stores its number in the stripes of all rows that it writes, before it is visible; an answer
// has the number of the last Update that had ended before it was read. So an answer is that of the newest state as long
// as its stripe has no higher number. Stripes are shared by chance: that costs an answer, never its correctness.
type answers struct {
	seed    maphash.Seed
	stripes [stripes]atomic.Uint64
	slots   atomic.Pointer[slots]
	grow    sync.Mutex
}

const (
	stripes  = 1 << 14
	minSlots = 1 << 8
	maxSlots = 1 << 20
)

// slots is a hash table that forgets: each answer has two places, and takes one of them from whoever is there.
type slots struct {
	list    []atomic.Pointer[answer] // a power of two
	evicted atomic.Int64             // answers that were still good, since the table was made
}

// answer lies, with a question of usual length, in two neighbouring cache lines.
type answer struct {
	hash   uint64
	done   uint64
	stripe *atomic.Uint64
	result any
	long   string // the question, if it does not fit into short
	n      uint8  // the length of short
	short  [71]byte
}

func newAnswer(question []byte, hash uint64, result any, done uint64, stripe *atomic.Uint64) *answer {
	e := &answer{hash: hash, result: result, done: done, stripe: stripe}
	if len(question) > len(e.short) {
		e.long = string(question)
	} else {
		e.n = uint8(copy(e.short[:], question))
	}
	return e
}

func (e *answer) to(question []byte) bool {
	if len(question) > len(e.short) {
		return e.long == string(question)
	}
	return string(e.short[:e.n]) == string(question)
}

func (e *answer) valid() bool { return e.stripe.Load() <= e.done }

func newAnswers() *answers {
	a := &answers{seed: maphash.MakeSeed()}
	a.slots.Store(&slots{list: make([]atomic.Pointer[answer], minSlots)})
	return a
}

// stripe is that of the rows whose encoded key on path p begins with prefix.
func (a *answers) stripe(p *path, prefix []byte) *atomic.Uint64 {
	h := maphash.Bytes(a.seed, prefix) ^ maphash.String(a.seed, p.space)
	return &a.stripes[h%stripes]
}

// invalidate makes all answers invalid that are older than Update number.
func (a *answers) invalidate(number uint64) {
	for i := range a.stripes {
		a.stripes[i].Store(number)
	}
}

func (a *answers) get(question []byte) (result any, ok bool) {
	h := maphash.Bytes(a.seed, question)
	s := a.slots.Load()
	at := h & uint64(len(s.list)-1)
	for _, i := range [2]uint64{at, at ^ 1} {
		if e := s.list[i].Load(); e != nil && e.hash == h && e.to(question) && e.valid() {
			return e.result, true
		}
	}
	return nil, false
}

func (a *answers) put(question []byte, result any, done uint64, stripe *atomic.Uint64) {
	e := newAnswer(question, maphash.Bytes(a.seed, question), result, done, stripe)
	s := a.slots.Load()
	if s.put(e) && s.evicted.Add(1) > int64(len(s.list)/32) && len(s.list) < maxSlots {
		a.double(s)
	}
}

// put stores e and says whether a good answer had to go.
func (s *slots) put(e *answer) (evicted bool) {
	at := e.hash & uint64(len(s.list)-1)
	for _, i := range [2]uint64{at, at ^ 1} {
		if old := s.list[i].Load(); old == nil || !old.valid() || old.hash == e.hash {
			s.list[i].Store(e)
			return false
		}
	}
	s.list[at].Store(e)
	return true
}

// double replaces s by a table of twice the size. Answers that are put meanwhile may be lost.
func (a *answers) double(s *slots) {
	a.grow.Lock()
	defer a.grow.Unlock()
	if a.slots.Load() != s {
		return
	}
	bigger := &slots{list: make([]atomic.Pointer[answer], 2*len(s.list))}
	for i := range s.list {
		if e := s.list[i].Load(); e != nil && e.valid() {
			bigger.put(e)
		}
	}
	a.slots.Store(bigger)
}
