package modelregistry

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// A Semver is a semantic version as semver.org 2.0.0 has it. The zero Semver means that there is none; 0.0.0 itself is
// not one. Semvers are comparable with ==, which tells build metadata apart, as Compare does not.
type Semver struct {
	Major, Minor, Patch uint64 // each below 10^18
	Prerelease          string // "rc.1" in 1.2.3-rc.1
	Build               string // "b5" in 1.2.3+b5
}

const (
	maxSemverLen    = 128 // bytes; it is a key part of an index
	maxSemverDigits = 18  // of a number, so that adding one never overflows
)

// ParseSemver reads a semantic version such as 1.2.3, 1.2.3-rc.1 or v1.2.3+b5. ErrInvalid: s is not one.
func ParseSemver(s string) (Semver, error) {
	v, problem := parseSemver(s)
	if problem != "" {
		return Semver{}, fmt.Errorf("semantic version %.80q: %w: %s", s, ErrInvalid, problem)
	}
	return v, nil
}

// parseSemver says in a sentence what is wrong with s, and allocates nothing otherwise: ParseURI tries it.
func parseSemver(s string) (v Semver, problem string) {
	core := strings.TrimPrefix(s, "v")
	if len(core) > maxSemverLen {
		return v, "longer than " + strconv.Itoa(maxSemverLen) + " characters"
	}
	core, build, hasBuild := strings.Cut(core, "+")
	core, pre, hasPre := strings.Cut(core, "-")
	rest := core
	for i, n := range [...]*uint64{&v.Major, &v.Minor, &v.Patch} {
		digits, more, dot := strings.Cut(rest, ".")
		if dot != (i < 2) {
			return v, "wants three numbers, such as 1.2.0 or v1.2.0-rc.1"
		}
		if *n, problem = parseSemverNumber(digits); problem != "" {
			return v, problem
		}
		rest = more
	}
	if hasPre {
		if problem = checkIdentifiers(pre, true); problem != "" {
			return v, "in the prerelease (after -), " + problem
		}
	}
	if hasBuild {
		if problem = checkIdentifiers(build, false); problem != "" {
			return v, "in the build metadata (after +), " + problem
		}
	}
	v.Prerelease, v.Build = pre, build
	if v.Major|v.Minor|v.Patch == 0 && !hasPre {
		return v, "0.0.0 stands for no version; the lowest is 0.0.1"
	}
	return v, ""
}

func parseSemverNumber(digits string) (n uint64, problem string) {
	switch {
	case digits == "" || !isDigits(digits):
		return 0, "wants three numbers, such as 1.2.0 or v1.2.0-rc.1"
	case len(digits) > 1 && digits[0] == '0':
		return 0, "a number begins with 0; write 1.2.3, not 1.02.3"
	case len(digits) > maxSemverDigits:
		return 0, "a number has more than " + strconv.Itoa(maxSemverDigits) + " digits"
	}
	for _, d := range []byte(digits) {
		n = n*10 + uint64(d-'0')
	}
	return n, ""
}

// checkIdentifiers checks a prerelease or build metadata: identifiers of letters, digits and hyphens, parted by dots.
func checkIdentifiers(s string, pre bool) (problem string) {
	for more := true; more; {
		var id string
		id, s, more = strings.Cut(s, ".")
		if id == "" {
			return "an identifier is empty"
		}
		for _, c := range []byte(id) {
			if c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
				return "an identifier has a character other than a letter, a digit or a hyphen"
			}
		}
		if pre && len(id) > 1 && id[0] == '0' && isDigits(id) {
			return "a number begins with 0"
		}
	}
	return ""
}

// isDigits says whether s holds ASCII digits only.
func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// IsZero says whether v is the zero Semver, which means that there is none.
func (v Semver) IsZero() bool { return v == Semver{} }

// String prints v as 1.2.3-rc.1+b5, without a v in front, and the zero Semver as "".
func (v Semver) String() string {
	if v.IsZero() {
		return ""
	}
	var buf [64]byte
	b := strconv.AppendUint(buf[:0], v.Major, 10)
	b = append(b, '.')
	b = strconv.AppendUint(b, v.Minor, 10)
	b = append(b, '.')
	b = strconv.AppendUint(b, v.Patch, 10)
	if v.Prerelease != "" {
		b = append(b, '-')
		b = append(b, v.Prerelease...)
	}
	if v.Build != "" {
		b = append(b, '+')
		b = append(b, v.Build...)
	}
	return string(b)
}

// MarshalText writes what String prints; in JSON a Semver is a string.
func (v Semver) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what ParseSemver reads, and "" as the zero Semver.
func (v *Semver) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*v = Semver{}
		return nil
	}
	parsed, err := ParseSemver(string(text))
	if err == nil {
		*v = parsed
	}
	return err
}

// Compare returns -1, 0 or 1 as v has lower, equal or higher precedence than w. A prerelease comes before its release,
// and build metadata does not count. The zero Semver comes before all others.
func (v Semver) Compare(w Semver) int {
	if v.IsZero() || w.IsZero() {
		return cmp.Compare(boolInt(!v.IsZero()), boolInt(!w.IsZero()))
	}
	if c := cmp.Or(cmp.Compare(v.Major, w.Major), cmp.Compare(v.Minor, w.Minor), cmp.Compare(v.Patch, w.Patch)); c != 0 {
		return c
	}
	if v.Prerelease == "" || w.Prerelease == "" {
		return cmp.Compare(boolInt(v.Prerelease == ""), boolInt(w.Prerelease == ""))
	}
	return comparePrerelease(v.Prerelease, w.Prerelease)
}

func comparePrerelease(a, b string) int {
	for moreA, moreB := true, true; moreA && moreB; {
		var x, y string
		x, a, moreA = strings.Cut(a, ".")
		y, b, moreB = strings.Cut(b, ".")
		numX, numY := isDigits(x), isDigits(y)
		c := cmp.Compare(boolInt(!numX), boolInt(!numY)) // a number comes before a word
		if c == 0 && numX {
			c = cmp.Compare(len(x), len(y)) // of numbers without leading zeros the longer is greater
		}
		if c = cmp.Or(c, strings.Compare(x, y), cmp.Compare(boolInt(moreA), boolInt(moreB))); c != 0 {
			return c
		}
	}
	return 0
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// SortKey returns a string that orders bytewise as Compare orders, for indexes and databases: equal for versions that differ in
// build metadata only, and "" for the zero Semver.
//
// A number is led by its length as a letter. A release ends in '~', which is above the '-' of a prerelease. In that an
// identifier begins with 0 (a number) or 1 (a word) and ends in '!', which is below all that an identifier can hold.
func (v Semver) SortKey() string {
	if v.IsZero() {
		return ""
	}
	b := make([]byte, 0, 32+2*len(v.Prerelease))
	for _, n := range [...]uint64{v.Major, v.Minor, v.Patch} {
		at := len(b)
		b = strconv.AppendUint(append(b, 0), n, 10)
		b[at] = 'a' + byte(len(b)-at-2)
	}
	if v.Prerelease == "" {
		return string(append(b, '~'))
	}
	b = append(b, '-')
	for id := range strings.SplitSeq(v.Prerelease, ".") {
		if isDigits(id) {
			b = append(b, '0', byte(len(id)/100)+'0', byte(len(id)/10%10)+'0', byte(len(id)%10)+'0')
		} else {
			b = append(b, '1')
		}
		b = append(append(b, id...), '!')
	}
	return string(b)
}

// A Bump says which number of a semantic version goes up.
type Bump string

// The bumps.
const (
	BumpMajor Bump = "major" // 1.2.3 to 2.0.0
	BumpMinor Bump = "minor" // 1.2.3 to 1.3.0
	BumpPatch Bump = "patch" // 1.2.3 to 1.2.4
)

// BumpAuto, for VersionSpec, derives the bump from how the signature differs from that of the highest release that has
// one: major if it breaks callers, minor if it is another, patch if it is the same or one of the two is not there. See
// Signature.Diff. Below 1.0.0, minor if it breaks callers and patch else.
const BumpAuto Bump = "auto"

// ParseBump reads a bump in any case. ErrInvalid: it is none of the three.
func ParseBump(s string) (Bump, error) {
	for _, b := range [...]Bump{BumpMajor, BumpMinor, BumpPatch} {
		if strings.EqualFold(s, string(b)) {
			return b, nil
		}
	}
	return "", fmt.Errorf("bump %.80q: %w: not one of major, minor, patch", s, ErrInvalid)
}

// Bump returns the version after v, without prerelease and build metadata. A prerelease of the very version that the
// bump asks for becomes that version: 2.0.0-rc.1 goes to 2.0.0 by major, minor and patch alike. The zero Semver goes
// to 1.0.0, 0.1.0 or 0.0.1. ErrInvalid: part is no bump (any case will do), or a number would grow past 18 digits.
func (v Semver) Bump(part Bump) (Semver, error) {
	part, err := ParseBump(string(part))
	if err != nil {
		return Semver{}, err
	}
	pre := v.Prerelease != ""
	next := Semver{Major: v.Major, Minor: v.Minor, Patch: v.Patch}
	switch {
	case part == BumpMajor && !(pre && v.Minor == 0 && v.Patch == 0 && v.Major > 0):
		next = Semver{Major: v.Major + 1}
	case part == BumpMinor && !(pre && v.Patch == 0 && v.Major|v.Minor > 0):
		next = Semver{Major: v.Major, Minor: v.Minor + 1}
	case part == BumpPatch && !(pre && v.Major|v.Minor|v.Patch > 0):
		next.Patch++
	}
	if _, problem := parseSemver(next.String()); problem != "" {
		return Semver{}, fmt.Errorf("bump the %s number of %s: %w: %s", part, v, ErrInvalid, problem)
	}
	return next, nil
}
