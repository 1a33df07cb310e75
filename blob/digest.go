package blob

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

const (
	algorithm = "sha256:"
	hexLen    = 64
)

// name is a digest without its algorithm: 64 lower-case hexadecimal digits.
type name string

func nameOf(sum [32]byte) name { return name(hex.EncodeToString(sum[:])) }

func (n name) digest() string { return algorithm + string(n) }

// shard is the folder that the content is in. 256 of them keep directories small.
func (n name) shard() string { return string(n[:2]) }

func parseDigest(digest string) (name, error) {
	s, ok := strings.CutPrefix(digest, algorithm)
	if !ok || !isName(s) {
		return "", fmt.Errorf("%w: digest %.100q: not %q and 64 lower-case hexadecimal digits", modelregistry.ErrInvalid, digest, algorithm)
	}
	return name(s), nil
}

func isName(s string) bool {
	if len(s) != hexLen {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
