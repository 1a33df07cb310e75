package main

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/optimize"
	"gonum.org/v1/gonum/stat"

	"github.com/modelregistry-go/modelregistry/examples/iris"
)

// trainCentroids makes a classifier that answers with the species whose mean flower is nearest. The squared distance of
// x to a mean m is |x|² - 2mx + |m|², and |x|² is the same for all species, so the weights are 2m and -|m|².
func trainCentroids(flowers []iris.Flower, features string) *classifier {
	c := &classifier{Species: iris.Species, Features: features}
	for _, name := range iris.Species {
		var sum []float64
		count := 0.0
		for _, f := range flowers {
			if f.Species != name {
				continue
			}
			x := featureSets[features](f.Sizes)
			if sum == nil {
				sum = make([]float64, len(x))
			}
			floats.Add(sum, x)
			count++
		}
		floats.Scale(1/count, sum)
		constant := -floats.Dot(sum, sum)
		floats.Scale(2, sum)
		c.Weights = append(c.Weights, append(sum, constant))
	}
	return c
}

// trainSoftmax is multinomial logistic regression: L-BFGS minimises the mean cross-entropy plus l2/2 times the sum of
// the squared weights, on features that are scaled to mean 0 and deviation 1.
func trainSoftmax(flowers []iris.Flower, features string, l2 float64) (*classifier, error) {
	x, means, deviations := standardised(flowers, features)
	n, d := x.Dims()
	k := len(iris.Species)
	isA := mat.NewDense(n, k, nil)
	for i, f := range flowers {
		isA.Set(i, slices.Index(iris.Species, f.Species), 1)
	}
	penalised := func(w []float64) []float64 { return w[:(d-1)*k] } // all but the constant terms, in the last row

	loss := func(w []float64) float64 {
		p := logProbabilities(x, mat.NewDense(d, k, w))
		p.MulElem(p, isA)
		return -mat.Sum(p)/float64(n) + l2/2*floats.Dot(penalised(w), penalised(w))
	}
	gradient := func(grad, w []float64) {
		p := logProbabilities(x, mat.NewDense(d, k, w))
		p.Apply(func(i, j int, logP float64) float64 { return math.Exp(logP) - isA.At(i, j) }, p)
		g := mat.NewDense(d, k, grad)
		g.Mul(x.T(), p)
		g.Scale(1/float64(n), g)
		floats.AddScaled(penalised(grad), l2, penalised(w))
	}
	// The default threshold is below what rounding leaves of this gradient, and the line search would not end well.
	settings := &optimize.Settings{GradientThreshold: 1e-6}
	result, err := optimize.Minimize(optimize.Problem{Func: loss, Grad: gradient}, make([]float64, d*k), settings, &optimize.LBFGS{})
	if err != nil {
		return nil, fmt.Errorf("minimise: %w", err)
	}

	// The classifier's features are not scaled: put the scale into its weights.
	w := mat.NewDense(d, k, result.X)
	c := &classifier{Species: iris.Species, Features: features}
	for s := range k {
		weights := mat.Col(nil, s, w)
		for j := range d - 1 {
			weights[j] /= deviations[j]
			weights[d-1] -= weights[j] * means[j]
		}
		c.Weights = append(c.Weights, weights)
	}
	return c, nil
}

// standardised returns a row for each flower: its features with mean 0 and deviation 1, and a 1 for the constant term.
func standardised(flowers []iris.Flower, features string) (x *mat.Dense, means, deviations []float64) {
	d := len(featureSets[features](flowers[0].Sizes))
	x = mat.NewDense(len(flowers), d+1, nil)
	for i, f := range flowers {
		x.SetRow(i, append(slices.Clone(featureSets[features](f.Sizes)), 1))
	}
	for j := range d {
		mean, deviation := stat.MeanStdDev(mat.Col(nil, j, x), nil)
		for i := range flowers {
			x.Set(i, j, (x.At(i, j)-mean)/deviation)
		}
		means, deviations = append(means, mean), append(deviations, deviation)
	}
	return x, means, deviations
}

// logProbabilities are those of each species, for each row of x.
func logProbabilities(x, w *mat.Dense) *mat.Dense {
	var p mat.Dense
	p.Mul(x, w)
	n, _ := p.Dims()
	for i := range n {
		row := p.RawRowView(i)
		floats.AddConst(-floats.LogSumExp(row), row)
	}
	return &p
}
