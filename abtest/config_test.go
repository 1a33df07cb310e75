package abtest

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
)

func TestConfigsThatAreNone(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Config)
		hint   string
	}{
		{"no name", func(c *Config) { c.Name = "" }, "name: invalid: empty"},
		{"NUL in the salt", func(c *Config) { c.Salt = "a\x00b" }, "NUL"},
		{"one variant", func(c *Config) { c.Variants = variants(1) }, "1 variants"},
		{"101 variants", func(c *Config) { c.Variants = make([]Variant, 101) }, "2 to 100"},
		{"a variant twice", func(c *Config) { c.Variants[1].Name = "A" }, "twice"},
		{"a variant without a name", func(c *Config) { c.Variants[1].Name = "" }, "empty"},
		{"a variant of bytes", func(c *Config) { c.Variants[1].Name = "\xff" }, "UTF-8"},
		{"a long name", func(c *Config) { c.Variants[1].Name = strings.Repeat("x", 257) }, "256"},
		{"no URI", func(c *Config) { c.Variants[1].URI = "" }, "models:/name/3"},
		{"a URI that is none", func(c *Config) { c.Variants[1].URI = "models:/fraud/Prod" }, "Production"},
		{"too much weight", func(c *Config) { c.Variants[1].Weight = 0.6 }, "sum to 1.1, not to 1"},
		{"too little weight", func(c *Config) { c.Variants[1].Weight = 0.4999 }, "not to 1"},
		{"percent", func(c *Config) { c.Variants = variants(50, 50) }, "from 1e-06 to 1"},
		{"no weight", func(c *Config) { c.Variants = variants(1, 0) }, "weight of 0"},
		{"negative weight", func(c *Config) { c.Variants = variants(-0.5, 1.5) }, "weight of -0.5"},
		{"a weight that is no number", func(c *Config) { c.Variants[0].Weight = math.NaN() }, "NaN"},
		{"infinite weight", func(c *Config) { c.Variants[0].Weight = math.Inf(1) }, "Inf"},
		{"earlier weights", func(c *Config) { c.Earlier = []Weights{{"A": 1}, {"A": 0.5}} }, "earlier weights 2: invalid: the weights sum to 0.5"},
		{"no earlier weights", func(c *Config) { c.Earlier = []Weights{nil} }, "sum to 0"},
		{"too many earlier weights", func(c *Config) { c.Earlier = make([]Weights, 101) }, "at most 100"},
		{"metric", func(c *Config) { c.Metric = 2 }, "Rate, Mean"},
		{"alpha", func(c *Config) { c.Alpha = 5 }, "alpha 5"},
		{"alpha NaN", func(c *Config) { c.Alpha = math.NaN() }, "alpha NaN"},
		{"mismatch alpha", func(c *Config) { c.MismatchAlpha = -1 }, "mismatch alpha -1"},
		{"horizon", func(c *Config) { c.Horizon = 99 }, "at least 100"},
	} {
		config := Config{Name: "fraud", Variants: variants(0.5, 0.5)}
		c.change(&config)
		_, err := New(config)
		require.ErrorIs(t, err, modelregistry.ErrInvalid, c.name)
		require.ErrorContains(t, err, c.hint, c.name)
	}
	_, err := build(t, 0.5, 0.5).Ramp(Weights{"A": 0.4})
	require.ErrorContains(t, err, "sum to 0.9")
	_, err = build(t, 0.5, 0.5).Ramp(Weights{"C": 0.4})
	require.ErrorContains(t, err, `"C": invalid: not one of A, B`)
}

// Thirds and tenths sum to 1 only nearly.
func TestWeightsThatNearlySum(t *testing.T) {
	build(t, 1./3, 1./3, 1./3)
	build(t, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1)
}

func TestConfigIsData(t *testing.T) {
	test, err := build(t, 0.9, 0.1).Ramp(Weights{"A": 0.5, "B": 0.5})
	require.NoError(t, err)
	text, err := json.Marshal(test.Config())
	require.NoError(t, err)
	var config Config
	require.NoError(t, json.Unmarshal(text, &config))
	require.Equal(t, test.Config(), config)

	// What it was made of and what it gives away is not the test's own.
	config.Earlier[0]["A"], config.Variants[0].Name = 0, "changed"
	again := test.Config()
	again.Earlier[0]["A"], again.Variants[0].Name = 0, "changed"
	test.Variants()[0].Name = "changed"
	kept, err := json.Marshal(test.Config())
	require.NoError(t, err)
	require.Equal(t, string(text), string(kept))
}
