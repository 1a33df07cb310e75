package modelregistry

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A pageToken holds the position behind which the next page begins. With fewer values than keys it stands behind all
// rows that have those values. It is bound to the search it came from by a hash, so that a token that strays to another
// one is an error and not a page from the middle of nowhere.
type pageToken struct {
	Search string    `json:"s"`
	After  []*string `json:"a"` // numbers in decimal, for JSON's cannot hold all; nil is what is missing
}

const (
	maxTokenLen = 128 << 10
	tokenSumLen = 6
)

// tokenKey is the hash of what a token belongs to.
func tokenKey(subject *searchSubject, f *filter, order []orderKey) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n", subject.what, f)
	for _, k := range order {
		fmt.Fprintf(h, "%s %t\n", k.name(), k.desc)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:9])
}

func encodeToken(key string, at []place) string {
	t := pageToken{Search: key, After: make([]*string, len(at))}
	for i, p := range at {
		if p.rank == placeMissing {
			continue
		}
		var text string
		switch p.value.Kind() {
		case backend.String:
			text = p.value.Str()
		case backend.Float:
			text = strconv.FormatFloat(p.value.Float(), 'g', -1, 64)
			if p.rank == placeNaN {
				text = "NaN"
			}
		default:
			text = strconv.FormatInt(p.value.Int(), 10)
		}
		t.After[i] = &text
	}
	data, _ := json.Marshal(t) // of strings only, which cannot fail
	return base64.RawURLEncoding.EncodeToString(append(tokenSum(data), data...))
}

// tokenSum stands in front of a token, so that one which was damaged on its way is an error and not another place.
func tokenSum(data []byte) []byte {
	sum := sha256.Sum256(data)
	return sum[:tokenSumLen]
}

// decodeToken reads the token of the search that key is of; nil is the beginning.
func decodeToken(text, key string, order []orderKey) ([]place, error) {
	if text == "" {
		return nil, nil
	}
	var t pageToken
	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(text) > maxTokenLen || len(data) < tokenSumLen || !bytes.Equal(data[:tokenSumLen], tokenSum(data[tokenSumLen:])) ||
		json.Unmarshal(data[tokenSumLen:], &t) != nil {
		return nil, fmt.Errorf("page token %.20q: %w: it is the Next of a page, as it was", text, ErrInvalid)
	}
	if t.Search != key || len(t.After) == 0 || len(t.After) > len(order) {
		return nil, fmt.Errorf("page token %.20q: %w: it belongs to another search; Filter and OrderBy stay the same from page to page", text, ErrInvalid)
	}
	after := make([]place, len(t.After))
	for i, s := range t.After {
		if after[i], err = decodePlace(order[i], s); err != nil {
			return nil, fmt.Errorf("page token %.20q: %w: %w", text, ErrInvalid, err)
		}
	}
	return after, nil
}

func decodePlace(k orderKey, s *string) (place, error) {
	if s == nil {
		if k.attr != nil && !k.attr.optional() {
			return place{}, errors.New("a value is missing")
		}
		return place{rank: placeMissing}, nil
	}
	switch k.kind() {
	case backend.String:
		if strings.IndexByte(*s, 0) >= 0 || len(*s) > maxKeyBytes {
			return place{}, errors.New("not a position")
		}
		return place{value: backend.StringValue(*s)}, nil
	case backend.Float:
		f, err := strconv.ParseFloat(*s, 64)
		if math.IsNaN(f) {
			return place{rank: placeNaN, value: backend.FloatValue(0)}, err
		}
		return place{value: backend.FloatValue(f)}, err
	case backend.Time:
		n, err := strconv.ParseInt(*s, 10, 64)
		v := backend.MicrosValue(n)
		if year := v.Time().Year(); year < 1 || year > 9999 {
			err = errors.New("not a position")
		}
		return place{value: v}, err
	}
	n, err := strconv.ParseInt(*s, 10, 64)
	return place{value: backend.IntValue(n)}, err
}
