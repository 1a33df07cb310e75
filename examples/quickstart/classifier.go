package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
)

// A classifier scores each species by a linear function of a flower's features and answers with the highest score. It
// is all that model.json holds.
type classifier struct {
	Species  []string    `json:"species"`
	Features string      `json:"features"` // a name in featureSets
	Weights  [][]float64 `json:"weights"`  // of each species; of each feature, the constant term last
}

// featureSets are what a classifier can look at.
var featureSets = map[string]func(sizes [4]float64) []float64{
	"sepals": func(sizes [4]float64) []float64 { return sizes[:2] },
	"petals": func(sizes [4]float64) []float64 { return sizes[2:] },
	"all":    func(sizes [4]float64) []float64 { return sizes[:] },
}

// predict returns the species that the flower most likely is.
func (c *classifier) predict(sizes [4]float64) string {
	x := append(slices.Clone(featureSets[c.Features](sizes)), 1)
	best, bestScore := "", 0.0
	for k, w := range c.Weights {
		score := 0.0
		for i := range x {
			score += w[i] * x[i]
		}
		if best == "" || score > bestScore {
			best, bestScore = c.Species[k], score
		}
	}
	return best
}

// loadClassifier reads model.json. Of a version's Files every byte is compared with the registered digest first: a file
// that was damaged or exchanged is an error, not a prediction.
func loadClassifier(files fs.FS) (*classifier, error) {
	text, err := fs.ReadFile(files, "model.json")
	if err != nil {
		return nil, err
	}
	c := new(classifier)
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("model.json: %w", err)
	}
	features, ok := featureSets[c.Features]
	if !ok {
		return nil, fmt.Errorf("model.json: unknown features %q", c.Features)
	}
	if len(c.Weights) != len(c.Species) {
		return nil, fmt.Errorf("model.json: %d species, weights of %d", len(c.Species), len(c.Weights))
	}
	for k, w := range c.Weights {
		if want := len(features([4]float64{})) + 1; len(w) != want {
			return nil, fmt.Errorf("model.json: %d weights of %s, want %d", len(w), c.Species[k], want)
		}
	}
	return c, nil
}
