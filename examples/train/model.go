package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/modelregistry-go/modelregistry/examples/iris"
)

// A flower is what callers send. Its JSON names are the columns of the model's signature.
type flower struct {
	SepalLength float64 `json:"sepal_length"` // all in cm
	SepalWidth  float64 `json:"sepal_width"`
	PetalLength float64 `json:"petal_length"`
	PetalWidth  float64 `json:"petal_width"`
}

// A verdict is what callers get.
type verdict struct {
	Species     string  `json:"species"`
	Probability float64 `json:"probability"`
}

// An earlyVerdict is what callers of the first release got: verdict only adds to it.
type earlyVerdict struct {
	Species string `json:"species"`
}

// A model is multinomial logistic regression on the sizes of flowers; it is all that model.json holds.
type model struct {
	Species []string     `json:"species"`
	Weights [][5]float64 `json:"weights"` // of each species; of each size, the constant term last
}

func newModel() *model {
	return &model{Species: iris.Species, Weights: make([][5]float64, len(iris.Species))}
}

// predict returns the species that the flower most likely is, and how likely.
func (m *model) predict(f flower) verdict {
	p := m.probabilities(features(f))
	best := 0
	for k := range p {
		if p[k] > p[best] {
			best = k
		}
	}
	return verdict{m.Species[best], p[best]}
}

func (m *model) probabilities(x [5]float64) []float64 {
	p, sum := make([]float64, len(m.Weights)), 0.0
	for k, w := range m.Weights {
		for i := range x {
			p[k] += w[i] * x[i]
		}
		p[k] = math.Exp(p[k])
		sum += p[k]
	}
	for k := range p {
		p[k] /= sum
	}
	return p
}

// features are the sizes less about their means, so that learning does not depend on where they lie, and 1 for the
// constant term.
func features(f flower) [5]float64 {
	return [5]float64{f.SepalLength - 5.8, f.SepalWidth - 3, f.PetalLength - 3.8, f.PetalWidth - 1.2, 1}
}

// learn goes once through the flowers in random order, and makes a step down the gradient at each. It returns the mean
// cross-entropy on the way.
func (m *model) learn(flowers []iris.Flower, rate float64, random *rand.Rand) (loss float64) {
	for _, i := range random.Perm(len(flowers)) {
		x := features(sizesOf(flowers[i]))
		p := m.probabilities(x)
		is := slices.Index(m.Species, flowers[i].Species)
		loss -= math.Log(p[is])
		p[is]--
		for k := range m.Weights {
			for j := range x {
				m.Weights[k][j] -= rate * p[k] * x[j]
			}
		}
	}
	return loss / float64(len(flowers))
}

// evaluate is how well the model does: accuracy, and precision and recall as means over the species.
func (m *model) evaluate(flowers []iris.Flower) map[string]float64 {
	var is, said, hit [3]float64 // by species
	for _, f := range flowers {
		k := slices.Index(m.Species, f.Species)
		says := slices.Index(m.Species, m.predict(sizesOf(f)).Species)
		is[k]++
		said[says]++
		if k == says {
			hit[k]++
		}
	}
	metrics := map[string]float64{}
	for k := range hit {
		metrics["accuracy"] += hit[k] / float64(len(flowers))
		metrics["precision"] += hit[k] / max(said[k], 1) / 3
		metrics["recall"] += hit[k] / max(is[k], 1) / 3
	}
	return metrics
}

func sizesOf(f iris.Flower) flower {
	return flower{f.Sizes[0], f.Sizes[1], f.Sizes[2], f.Sizes[3]}
}

// loadModel reads model.json from a version's files, which compare every byte with what was registered.
func loadModel(files fs.FS) (*model, error) {
	text, err := fs.ReadFile(files, "model.json")
	if err != nil {
		return nil, err
	}
	m := new(model)
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("model.json: %w", err)
	}
	if len(m.Species) == 0 || len(m.Weights) != len(m.Species) {
		return nil, fmt.Errorf("model.json: %d species, weights of %d", len(m.Species), len(m.Weights))
	}
	return m, nil
}
