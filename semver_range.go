package modelregistry

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/Masterminds/semver/v3"
)

// A Range is a set of semantic versions, written as in npm and Cargo:
//
//	^1.2          1.2.0 and above, below 2.0.0 (^0.2: below 0.3.0)
//	~1.2.3        1.2.3 and above, below 1.3.0
//	1.2.x  1.x  * any that begins so
//	1.2 - 1.4     from 1.2.0 up to all of 1.4
//	>=1.0 <2      all of several, parted by spaces or commas; the operators are = != > >= < <=
//	^1.2 || ^3    any of several
//
// It holds prereleases only where it names one: >=1.2.0-0 is all from the first prerelease of 1.2.0 on. The zero Range
// is empty.
type Range struct {
	text        string
	constraints *semver.Constraints
}

// ParseRange reads a range. ErrInvalid: s is not one.
func ParseRange(s string) (Range, error) {
	if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return Range{}, fmt.Errorf("version range %.80q: %w: not text", s, ErrInvalid)
	}
	text := strings.Join(strings.Fields(s), " ")
	if len(text) > semver.MaxConstraintLen {
		return Range{}, fmt.Errorf("version range %.80q…: %w: longer than %d characters", s, ErrInvalid, semver.MaxConstraintLen)
	}
	c, err := semver.NewConstraint(tildeZero.ReplaceAllString(text, ">=$1 <0.1.0"))
	if err != nil {
		return Range{}, fmt.Errorf("version range %.80q: %w: write for example ^1.2, ~1.2.3, 1.x, \">=1.0 <2\", \"1.2 - 1.4\" or \"^1 || ^3\"", s, ErrInvalid)
	}
	return Range{text, c}, nil
}

// The semver package takes ~0.0.0 for everything from 0.0.0 on, 5.0.0 too; by the rule of ~ it ends below 0.1.0.
var tildeZero = regexp.MustCompile(`~>? ?(v?0\.0\.0(?:[-+][-+.0-9A-Za-z]*)?)`)

// IsZero says whether r is the zero Range.
func (r Range) IsZero() bool { return r.constraints == nil }

// String prints the range as it was written, with single spaces.
func (r Range) String() string { return r.text }

// Contains says whether v is in the range. The zero Semver is in none.
func (r Range) Contains(v Semver) bool {
	if r.IsZero() || v.IsZero() {
		return false
	}
	return r.constraints.Check(semver.New(v.Major, v.Minor, v.Patch, v.Prerelease, v.Build))
}

// MarshalText writes what String prints; in JSON a Range is a string.
func (r Range) MarshalText() ([]byte, error) { return []byte(r.text), nil }

// UnmarshalText reads what ParseRange reads, and "" as the zero Range.
func (r *Range) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*r = Range{}
		return nil
	}
	parsed, err := ParseRange(string(text))
	if err == nil {
		*r = parsed
	}
	return err
}
