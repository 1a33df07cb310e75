package mlflow

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBodiesThatCanBeReadInTwoWays(t *testing.T) {
	for body, says := range map[string]string{
		`{"name": "a", "name": "b"}`:                      `the key "name" is there twice`,
		`{"tags": [{"key": "a", "k\u0065y": "b"}]}`:       `the key "key" is there twice`,
		`"{\"name\": 1, \"name\": 2}"`:                    `is there twice`,
		`{"name": "a"} {"name": "b"}`:                     "text behind the value",
		`{"name": "a"}x`:                                  "text behind the value",
		`{"name": "a"}]`:                                  "text behind the value",
		"{\"name\": \"a\xff\"}":                           "not UTF-8",
		"{\"name\": \"\xed\xa0\x80\"}":                    "not UTF-8",
		`{"name": "\ud800"}`:                              "half of a surrogate pair",
		`{"name": "\udc00\ud800"}`:                        "half of a surrogate pair",
		`{"name": "\ud800\u0041"}`:                        "half of a surrogate pair",
		`{"name": "\\\ud83d x"}`:                          "half of a surrogate pair",
		`{"\udfff": 1}`:                                   "half of a surrogate pair",
		`{"name": "a"`:                                    "breaks off",
		`{"name" "a"}`:                                    "at byte",
		`{1: 2}`:                                          "at byte",
		`not JSON`:                                        "at byte",
		strings.Repeat(`[`, 1000):                         "within each other",
		`{"x": [` + strings.Repeat("0,", 200_000) + `0]}`: "more than 50000 values",
	} {
		c := &call{}
		require.ErrorContains(t, c.parseBody([]byte(body)), says, "%.60s", body)
	}
	for body, want := range map[string]map[string]any{
		"":                                 {},
		" \n":                              {},
		"null":                             {},
		`{}`:                               {},
		` {"a": [1, {"b": null}, true]} `:  {"a": []any{json.Number("1"), map[string]any{"b": nil}, true}},
		`"{\"a\": \"b\"}"`:                 {"a": "b"},
		`{"name": "\ud83d\ude00 \\ud800"}`: {"name": "😀 \\ud800"},
	} {
		c := &call{}
		require.NoError(t, c.parseBody([]byte(body)), body)
		require.Equal(t, want, c.body)
	}
}

// What a body of 8 MiB makes the server allocate is some times its length, whatever it holds: f334efa took 240 to 490 MiB.
func TestBodiesCostMemoryInProportion(t *testing.T) {
	const size = 8 << 20
	fill := func(item string) string { return strings.Repeat(item+",", size/(len(item)+1)-10) + item }
	var keys []string
	for i := range size / 11 {
		keys = append(keys, fmt.Sprintf(`"%x":0`, i))
	}
	for name, body := range map[string]string{
		"objects": `{"x":[` + fill("{}") + `]}`,
		"numbers": `{"x":[` + fill("0") + `]}`,
		"lists":   `{"x":[` + fill("[]") + `]}`,
		"texts":   `{"x":[` + fill(`""`) + `]}`,
		"pairs":   `{"x":[` + fill(`{"":0}`) + `]}`,
		"keys":    `{` + strings.Join(keys, ",") + `}`,
		"text":    `{"x":"` + strings.Repeat("x", size-10) + `"}`,
		"deep":    strings.Repeat(`{"a":`, size/5),
		"twice":   `"{\"x\":[` + fill("[]") + `]}"`,
	} {
		text := []byte(body)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		c := &call{}
		_ = c.parseBody(text)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(10*size), name)
	}
}
