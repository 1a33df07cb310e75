package kvtest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/modelregistry-go/modelregistry/backend/kv"
)

// sample are keys that are each other's prefixes, and bounds between them.
func sample() []string {
	r := rand.New(rand.NewPCG(7, 7))
	keys := []string{"\x00", "\x00\x00", "a", "a\x00", "a\x00\x00", "aa", "ab", "b", "\xfe", "\xfe\xff", "\xff", "\xff\xff", "\xff\xff\xff"}
	for range 150 {
		key := make([]byte, 1+r.IntN(4))
		for i := range key {
			key[i] = []byte{0, 1, 'a', 'b', 0x7f, 0x80, 0xfe, 0xff}[r.IntN(8)]
		}
		keys = append(keys, string(key))
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func scans(s *trial) {
	keys := sample()
	var pairs []string
	for i, key := range keys {
		if i%3 != 0 { // the others are bounds that are not there
			pairs = append(pairs, key, "v"+key)
		}
	}
	s.put("a", pairs...)
	s.put("Z", "z", "of another space, in front")
	s.put("b", "a", "of another space, behind")
	ask := func(tx kv.ReadTx) error {
		bounds := append([]string{"", "nil"}, keys...)
		for i, low := range bounds {
			for j := i % 5; j < len(bounds); j += 5 {
				for _, desc := range []bool{false, true} {
					if err := scansAs(tx, pairs, bound(low), bound(bounds[j]), desc); err != nil {
						return err
					}
				}
			}
		}
		return nil
	}
	s.view(ask)
	s.update(func(tx kv.Tx) error { return ask(tx) })
	s.view(func(tx kv.ReadTx) error {
		for _, desc := range []bool{false, true} {
			if got, err := all(tx, "never put to", nil, nil, desc); len(got) > 0 || err != nil {
				return fmt.Errorf("a space that was never put to is empty: %q, %v", got, err)
			}
		}
		return nil
	})
}

func bound(text string) []byte {
	if text == "nil" {
		return nil
	}
	return []byte(text)
}

// scansAs compares a Scan with the entries that it has to give.
func scansAs(tx kv.ReadTx, pairs []string, low, high []byte, desc bool) error {
	var want []string
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i] < string(low) || high != nil && pairs[i] >= string(high) {
			continue
		}
		if desc {
			want = append([]string{pairs[i], pairs[i+1]}, want...)
		} else {
			want = append(want, pairs[i], pairs[i+1])
		}
	}
	got, err := all(tx, "a", low, high, desc)
	if err != nil {
		return err
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("a Scan from %q up to, and not including, %q (nil high: %t; desc: %t) gives %.300q, want %.300q", low, high, high == nil, desc, got, want)
	}
	return nil
}

func stops(s *trial) {
	s.put("a", "a", "1", "b", "2", "c", "3", "d", "4")
	s.view(func(tx kv.ReadTx) error {
		for _, desc := range []bool{false, true} {
			for after := 1; after <= 4; after++ {
				calls := 0
				err := tx.Scan("a", []byte("a"), nil, desc, func(_, _ []byte) bool {
					calls++
					return calls < after
				})
				if err != nil {
					return err
				}
				if calls != after {
					return fmt.Errorf("a Scan (desc: %t) whose fn returned false at call %d calls it no more; it did %d times", desc, after, calls)
				}
			}
		}
		return nil
	})
}

// lends keeps all that a transaction hands out, and looks at it again at its end.
func lends(s *trial) {
	var pairs []string
	for i := range 500 {
		pairs = append(pairs, fmt.Sprintf("key %04d", i), strings.Repeat(fmt.Sprintf("value %04d ", i), 1+i%50))
	}
	s.put("a", pairs...)
	s.put("b", pairs[:2]...)
	look := func(tx kv.ReadTx) error {
		var kept [][]byte
		var want []string
		keep := func(b []byte, text string) {
			kept, want = append(kept, b), append(want, text)
		}
		for _, desc := range []bool{false, true} {
			err := tx.Scan("a", nil, nil, desc, func(key, value []byte) bool {
				keep(key, string(key))
				keep(value, string(value))
				return true
			})
			if err != nil {
				return err
			}
			for i := 0; i < len(pairs); i += 20 {
				value, err := tx.Get("a", []byte(pairs[i]))
				if err != nil {
					return err
				}
				keep(value, pairs[i+1])
			}
		}
		for i, b := range kept {
			if string(b) != want[i] {
				return fmt.Errorf("keys and values stay as they are until the next write or the end: what was %.40q reads %.40q", want[i], b)
			}
		}
		return nil
	}
	s.view(look)
	s.update(func(tx kv.Tx) error {
		if err := put(tx, "a", "key 0250", pairs[501]); err != nil {
			return err
		}
		return look(tx)
	})
}

func nested(s *trial) {
	s.put("rows", "1", "one", "2", "two", "3", "three")
	s.put("index", "a1", "", "b2", "", "c3", "")
	look := func(tx kv.ReadTx) error {
		var got []string
		var failed error
		err := tx.Scan("index", []byte("a"), nil, false, func(key, _ []byte) bool {
			var value []byte
			if value, failed = tx.Get("rows", key[1:]); failed != nil {
				return false
			}
			got = append(got, string(value))
			failed = tx.Scan("rows", nil, bytes.Clone(key[1:]), true, func(key, _ []byte) bool {
				got = append(got, string(key))
				return true
			})
			return failed == nil
		})
		if err != nil || failed != nil {
			return fmt.Errorf("a Scan with reads inside: %w, %w", err, failed)
		}
		if want := "one two 1 three 2 1"; strings.Join(got, " ") != want {
			return fmt.Errorf("a Scan with reads inside gives %q, want %q", got, want)
		}
		return nil
	}
	s.view(look)
	s.update(func(tx kv.Tx) error { return look(tx) })
}
