package abtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/modelregistry-go/modelregistry"
)

// A Config describes a test. It is data, so that it can be kept in a file and given to many processes; those with equal
// Salt, Variants and Earlier assign alike.
type Config struct {
	// Name is the test's, under which outcomes are recorded.
	Name string `json:"name"`
	// Salt makes assignments independent of other tests'; "" is Name. Two tests of one salt give the same users the
	// same luck.
	Salt string `json:"salt,omitempty"`
	// Variants are at least two. The first is the control, which the others are compared with.
	Variants []Variant `json:"variants"`
	// Earlier are the weights that the test had before, oldest first. Assign needs them to move only the users that it
	// must; Ramp adds to them. To take one away would move users anew.
	Earlier []Weights `json:"earlier,omitempty"`

	// Metric is what decides who wins.
	Metric Metric `json:"metric,omitempty"`
	// LowerIsBetter says that the better variant has the lower rate or mean, such as of errors or milliseconds.
	LowerIsBetter bool `json:"lower_is_better,omitempty"`
	// Alpha is the chance of a false winner, ever; 0 is 0.05.
	Alpha float64 `json:"alpha,omitempty"`
	// MismatchAlpha is the chance of a false alarm of a sample-ratio mismatch, ever; 0 is 0.001.
	MismatchAlpha float64 `json:"mismatch_alpha,omitempty"`
	// Horizon is about how many outcomes of two variants together will be there when a winner is hoped for; 0 is
	// 10,000. Such differences are found soonest. Those that take ten times as many are found about a seventh later
	// than with a Horizon of their own, those that take a tenth half as late again. To choose it by the results voids
	// Alpha.
	Horizon int `json:"horizon,omitempty"`
}

// A Variant is one of the things that are tested.
type Variant struct {
	Name string `json:"name"`
	// URI is the model version that serves the variant's users, such as "models:/fraud/5".
	URI string `json:"uri"`
	// Weight is the variant's share of the users, above 0. The weights of a test sum to 1.
	Weight float64 `json:"weight"`
}

// Weights are the shares of the users by the variants' names. They sum to 1.
type Weights map[string]float64

// A Metric is what a test is about.
type Metric int

// The metrics.
const (
	Rate Metric = iota // of successes among successes and failures; see Recorder.Record
	Mean               // of numeric outcomes; see Recorder.Measure
)

const (
	defaultAlpha         = 0.05
	defaultMismatchAlpha = 0.001
	defaultHorizon       = 10_000
	minHorizon           = 100
	maxVariants          = 100
	maxEarlier           = 100
	maxNameLength        = 256    // in characters; what the registry keeps
	maxPhase             = 10_000 // as well
	minWeight            = 1e-6   // less would see nobody
	weightSlack          = 1e-9
)

// A Test assigns users and judges outcomes. It never changes, and is safe for concurrent use.
type Test struct {
	config Config
	steps  []step // of Assign, first to last
	phase  string // Config's weights as JSON
}

// New makes a Test. ErrInvalid: config is not one; the message says what would be.
func New(config Config) (*Test, error) {
	config = clone(config)
	if config.Salt == "" {
		config.Salt = config.Name
	}
	if config.Alpha == 0 {
		config.Alpha = defaultAlpha
	}
	if config.MismatchAlpha == 0 {
		config.MismatchAlpha = defaultMismatchAlpha
	}
	if config.Horizon == 0 {
		config.Horizon = defaultHorizon
	}
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("A/B test %.80q: %w", config.Name, err)
	}
	t := &Test{config: config}
	phase, err := json.Marshal(config.weights()) // with sorted keys
	if err != nil {
		return nil, fmt.Errorf("A/B test %.80q: encode weights: %w", config.Name, err)
	}
	if len(phase) > maxPhase {
		return nil, fmt.Errorf("A/B test %.80q: %w: the variants' names and weights are %d bytes of JSON, at most %d", config.Name, modelregistry.ErrInvalid, len(phase), maxPhase)
	}
	t.phase = string(phase)
	t.steps = plan(t.config)
	return t, nil
}

func clone(config Config) Config {
	config.Variants = slices.Clone(config.Variants)
	config.Earlier = slices.Clone(config.Earlier)
	for i, w := range config.Earlier {
		config.Earlier[i] = maps.Clone(w)
	}
	return config
}

// Config is the test's config, with the defaults filled in.
func (t *Test) Config() Config { return clone(t.config) }

// Variants are the test's, the control first.
func (t *Test) Variants() []Variant { return slices.Clone(t.config.Variants) }

// Ramp is the test with other weights. Those that are not given stay; 0 takes a variant out of the test. Users move
// only from variants that shrink to those that grow, and as few as can be. Every process has to get the new Config.
//
// To bring in a variant, add it to a Config, whose weights so far go to the end of Earlier.
func (t *Test) Ramp(weights Weights) (*Test, error) {
	config := clone(t.config)
	config.Earlier = append(config.Earlier, config.weights())
	for name := range weights {
		if t.variant(name) < 0 {
			return nil, t.errNoVariant(name)
		}
	}
	for i, v := range config.Variants {
		if w, ok := weights[v.Name]; ok {
			config.Variants[i].Weight = w
		}
	}
	config.Variants = slices.DeleteFunc(config.Variants, func(v Variant) bool { return v.Weight == 0 })
	return New(config)
}

// variant is the place of a variant in the config, or -1.
func (t *Test) variant(name string) int {
	return slices.IndexFunc(t.config.Variants, func(v Variant) bool { return v.Name == name })
}

func (t *Test) errNoVariant(name string) error {
	var names []string
	for _, v := range t.config.Variants {
		names = append(names, v.Name)
	}
	return fmt.Errorf("A/B test %q: variant %.80q: %w: not one of %s", t.config.Name, name, modelregistry.ErrInvalid, strings.Join(names, ", "))
}

func (c Config) weights() Weights {
	w := make(Weights, len(c.Variants))
	for _, v := range c.Variants {
		w[v.Name] = v.Weight
	}
	return w
}

func (c Config) check() error {
	if err := checkName("name", c.Name); err != nil {
		return err
	}
	if err := checkName("salt", c.Salt); err != nil {
		return err
	}
	if n := len(c.Variants); n < 2 || n > maxVariants {
		return fmt.Errorf("%w: %d variants; a test has 2 to %d", modelregistry.ErrInvalid, n, maxVariants)
	}
	seen := map[string]bool{}
	for _, v := range c.Variants {
		if seen[v.Name] {
			return fmt.Errorf("variant %q: %w: there twice", v.Name, modelregistry.ErrInvalid)
		}
		seen[v.Name] = true
		if _, err := modelregistry.ParseURI(v.URI); err != nil {
			return fmt.Errorf("variant %q: %w", v.Name, err)
		}
	}
	if err := c.weights().check(); err != nil {
		return err
	}
	if len(c.Earlier) > maxEarlier {
		return fmt.Errorf("%w: %d earlier weights, at most %d", modelregistry.ErrInvalid, len(c.Earlier), maxEarlier)
	}
	for i, w := range c.Earlier {
		if err := w.check(); err != nil {
			return fmt.Errorf("earlier weights %d: %w", i+1, err)
		}
	}
	if c.Metric != Rate && c.Metric != Mean {
		return fmt.Errorf("metric %d: %w: not one of Rate, Mean", c.Metric, modelregistry.ErrInvalid)
	}
	for _, a := range []struct {
		what  string
		alpha float64
	}{{"alpha", c.Alpha}, {"mismatch alpha", c.MismatchAlpha}} {
		if !(a.alpha >= 1e-12 && a.alpha <= 0.5) {
			return fmt.Errorf("%s %v: %w: a chance from 1e-12 to 0.5", a.what, a.alpha, modelregistry.ErrInvalid)
		}
	}
	if c.Horizon < minHorizon {
		return fmt.Errorf("horizon %d: %w: at least %d outcomes, or 0 for %d", c.Horizon, modelregistry.ErrInvalid, minHorizon, defaultHorizon)
	}
	return nil
}

func (w Weights) check() error {
	sum := 0.0
	for _, name := range slices.Sorted(maps.Keys(w)) {
		if err := checkName("variant", name); err != nil {
			return err
		}
		if !(w[name] >= minWeight && w[name] <= 1) {
			return fmt.Errorf("variant %q: %w: a weight of %v; weights are shares from %g to 1, leave out who has none", name, modelregistry.ErrInvalid, w[name], minWeight)
		}
		sum += w[name]
	}
	if !(math.Abs(sum-1) <= weightSlack) {
		return fmt.Errorf("%w: the weights sum to %v, not to 1", modelregistry.ErrInvalid, sum)
	}
	return nil
}

func checkName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%s: %w: empty", what, modelregistry.ErrInvalid)
	case !utf8.ValidString(name) || strings.IndexByte(name, 0) >= 0:
		return fmt.Errorf("%s %.80q: %w: not UTF-8 text without NUL", what, name, modelregistry.ErrInvalid)
	case utf8.RuneCountInString(name) > maxNameLength:
		return fmt.Errorf("%s %.40q…: %w: longer than %d characters", what, name, modelregistry.ErrInvalid, maxNameLength)
	}
	return nil
}
