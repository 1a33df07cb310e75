// Package iris has the data that the examples train with: the 150 flowers of R. A. Fisher. README.md says where they come
// from.
package iris

import (
	"embed"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
)

// Files holds iris.csv: the data set as its lineage names it, by what is in it.
//
//go:embed iris.csv
var Files embed.FS

// Path is where the data is in this module.
const Path = "examples/iris/iris.csv"

// A Flower is one row of the data.
type Flower struct {
	Sizes   [4]float64 // sepal length and width, petal length and width, in cm
	Species string
}

// Species are what flowers can be.
var Species = []string{"setosa", "versicolor", "virginica"}

// Read reads the 150 flowers.
func Read() ([]Flower, error) {
	f, err := Files.Open("iris.csv")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("iris.csv: %w", err)
	}
	var flowers []Flower
	for i, row := range rows[1:] { // the first row has the names of the columns
		f := Flower{Species: row[4]}
		for j := range f.Sizes {
			if f.Sizes[j], err = strconv.ParseFloat(row[j], 64); err != nil {
				return nil, fmt.Errorf("iris.csv, row %d: %w", i+2, err)
			}
		}
		if !slices.Contains(Species, f.Species) {
			return nil, fmt.Errorf("iris.csv, row %d: unknown species %q", i+2, f.Species)
		}
		flowers = append(flowers, f)
	}
	return flowers, nil
}

// Split gives every other flower to the training and the rest to the test: always the same ones, so that the accuracies
// of two versions can be compared. The rows are in order of species, so each is in both by equal shares.
func Split(flowers []Flower) (train, test []Flower) {
	for i, f := range flowers {
		if i%2 == 0 {
			train = append(train, f)
		} else {
			test = append(test, f)
		}
	}
	return train, test
}
