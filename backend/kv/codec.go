package kv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"

	"github.com/modelregistry-go/modelregistry/backend"
)

// maxIndexed is how many bytes of a string an index holds. Key parts and uniquely indexed values are never longer; of
// other values only the beginning is indexed, and whoever reads an entry with a string of this length has to look at
// the row. Stores limit the length of keys, and values may have a mebibyte.
const maxIndexed = backend.MaxKeyPart

// errCorrupt says that stored bytes are not what this package wrote.
var errCorrupt = errors.New("kv: stored row is damaged")

const signBit = 1 << 63

// appendRaw appends v so that bytes.Compare orders values of one kind. It is exact, but does not say where it ends.
func appendRaw(dst []byte, v backend.Value) []byte {
	switch v.Kind() {
	case backend.Int:
		return binary.BigEndian.AppendUint64(dst, uint64(v.Int())^signBit)
	case backend.Time:
		return binary.BigEndian.AppendUint64(dst, uint64(v.Micros())^signBit)
	case backend.Float:
		u := math.Float64bits(v.Float())
		if u&signBit != 0 {
			u = ^u // of two negative numbers the one with the larger magnitude is the smaller
		} else {
			u ^= signBit
		}
		return binary.BigEndian.AppendUint64(dst, u)
	}
	return append(dst, v.Str()...)
}

// appendKeyPart appends v as a part of a row's key: exact, ordered, and telling where it ends, since strings hold no NUL.
func appendKeyPart(dst []byte, v backend.Value) []byte {
	dst = appendRaw(dst, v)
	if v.Kind() == backend.String {
		dst = append(dst, 0)
	}
	return dst
}

// appendKey appends the key of a row.
func appendKey(dst []byte, key backend.Key) []byte {
	for _, v := range key {
		dst = appendKeyPart(dst, v)
	}
	return dst
}

// appendIndexed appends the indexed form of a raw value: like a key part, but cut to maxIndexed.
func appendIndexed(dst, raw []byte, kind backend.Kind) []byte {
	if kind != backend.String {
		return append(dst, raw...)
	}
	if len(raw) > maxIndexed {
		raw = raw[:maxIndexed]
	}
	return append(append(dst, raw...), 0)
}

// partLen returns how many bytes the encoded part at the beginning of b takes.
func partLen(b []byte, kind backend.Kind) (int, error) {
	if kind != backend.String {
		if len(b) < 8 {
			return 0, errCorrupt
		}
		return 8, nil
	}
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return 0, errCorrupt
	}
	return i + 1, nil
}

// rawPart drops what tells where an encoded part ends.
func rawPart(part []byte, kind backend.Kind) []byte {
	if kind == backend.String {
		return part[:len(part)-1]
	}
	return part
}

// decodeRaw reads what appendRaw wrote.
func decodeRaw(b []byte, kind backend.Kind) (backend.Value, error) {
	if kind == backend.String {
		return backend.StringValue(string(b)), nil
	}
	if len(b) != 8 {
		return backend.Value{}, errCorrupt
	}
	u := binary.BigEndian.Uint64(b)
	switch kind {
	case backend.Int:
		return backend.IntValue(int64(u ^ signBit)), nil
	case backend.Time:
		return backend.MicrosValue(int64(u ^ signBit)), nil
	}
	if u&signBit != 0 {
		u ^= signBit
	} else {
		u = ^u
	}
	return backend.FloatValue(math.Float64frombits(u)), nil
}

// decodeKey reads the key of a row of the given parts.
func decodeKey(b []byte, parts []backend.Field) (backend.Key, error) {
	key := make(backend.Key, len(parts))
	for i, p := range parts {
		n, err := partLen(b, p.Kind)
		if err != nil {
			return nil, err
		}
		if p.Kind == backend.Int {
			key[i] = backend.IntValue(int64(binary.BigEndian.Uint64(b) ^ signBit))
		} else {
			key[i] = backend.StringValue(string(b[:n-1]))
		}
		b = b[n:]
	}
	if len(b) > 0 {
		return nil, errCorrupt
	}
	return key, nil
}

// prefixEnd returns the first key behind all keys that begin with prefix, or nil if there is none. It changes prefix.
func prefixEnd(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			prefix[i]++
			return prefix[:i+1]
		}
	}
	return nil
}
