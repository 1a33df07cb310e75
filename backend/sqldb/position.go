package sqldb

import (
	"fmt"
	"math"

	"github.com/modelregistry-go/modelregistry/backend"
)

// Positions of a Log. Where Updates run side by side, a position is the store's era, the number of the transaction and
// a counter, in hexadecimal: whatever is below the oldest transaction under way is settled. The era counts how often
// the store moved to a server whose transactions count from lower numbers.
//
// Where there is one writer, row ids are in commit order, and a position is a row id in hexadecimal.

func txPosition(era, xid int64, n int) string { return fmt.Sprintf("%04x%016x%06x", era, xid, n) }

func rowPosition(id int64) string { return fmt.Sprintf("%016x", id) }

// rowFrom is the least row id whose position is not below s; exact says that its position is s.
func rowFrom(s string) (id int64, exact bool) {
	lo, hi := int64(0), int64(math.MaxInt64) // no row has id hi
	for lo < hi {
		mid := lo + (hi-lo)/2
		if rowPosition(mid) < s {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, rowPosition(lo) == s
}

// rowConds says of row ids what c says of positions.
func rowConds(c backend.Cond) []backend.Cond {
	const never = -1 // no row has that id
	cond := func(op backend.Op, id int64) backend.Cond {
		return backend.Cond{Field: c.Field, Op: op, Value: backend.IntValue(id)}
	}
	id, exact := rowFrom(c.Value.Str())
	switch c.Op {
	case backend.Eq:
		if !exact {
			id = never
		}
		return []backend.Cond{cond(backend.Eq, id)}
	case backend.In:
		in := cond(backend.In, 0)
		for _, v := range c.Values {
			if id, exact := rowFrom(v.Str()); exact {
				in.Values = append(in.Values, backend.IntValue(id))
			}
		}
		return []backend.Cond{in}
	case backend.Lt, backend.Ge:
		return []backend.Cond{cond(c.Op, id)}
	case backend.Le:
		if !exact {
			return []backend.Cond{cond(backend.Lt, id)}
		}
		return []backend.Cond{cond(backend.Le, id)}
	case backend.Gt:
		if !exact {
			return []backend.Cond{cond(backend.Ge, id)}
		}
		return []backend.Cond{cond(backend.Gt, id)}
	}
	low := cond(backend.Ge, id)
	end, ok := prefixEnd(c.Value.Str())
	if !ok {
		return []backend.Cond{low}
	}
	id, _ = rowFrom(end)
	return []backend.Cond{low, cond(backend.Lt, id)}
}

// rowAfter is the id to continue behind, in either direction, for the position s.
func rowAfter(s string, desc bool) int64 {
	id, exact := rowFrom(s)
	if exact || desc {
		return id
	}
	return id - 1
}
