package main

import (
	"slices"

	"github.com/modelregistry-go/modelregistry/examples/iris"
)

// confusion counts flowers by what they are (rows) and what a classifier takes them for (columns).
type confusion [3][3]int

func evaluate(c *classifier, flowers []iris.Flower) confusion {
	var counts confusion
	for _, f := range flowers {
		counts[slices.Index(iris.Species, f.Species)][slices.Index(iris.Species, c.predict(f.Sizes))]++
	}
	return counts
}

// right is how many flowers were taken for what they are.
func (m confusion) right() int { return m[0][0] + m[1][1] + m[2][2] }

func (m confusion) total() (n int) {
	for _, row := range m {
		for _, count := range row {
			n += count
		}
	}
	return n
}

// metrics are the accuracy, and of each species the share that was recognised.
func (m confusion) metrics() map[string]float64 {
	metrics := map[string]float64{"accuracy": float64(m.right()) / float64(m.total())}
	for i, row := range m {
		metrics["recall."+iris.Species[i]] = float64(row[i]) / float64(row[0]+row[1]+row[2])
	}
	return metrics
}
