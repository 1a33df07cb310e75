package main

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"

	"github.com/modelregistry-go/modelregistry"
)

//go:embed iris.csv
var irisCSV []byte

// A flower is one row of the Iris data.
type flower struct {
	sizes   [4]float64 // sepal length and width, petal length and width, in cm
	species string
}

var species = []string{"setosa", "versicolor", "virginica"}

// readIris reads the 150 flowers.
func readIris() ([]flower, error) {
	rows, err := csv.NewReader(bytes.NewReader(irisCSV)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("iris.csv: %w", err)
	}
	var flowers []flower
	for i, row := range rows[1:] { // the first row has the names of the columns
		f := flower{species: row[4]}
		for j := range f.sizes {
			if f.sizes[j], err = strconv.ParseFloat(row[j], 64); err != nil {
				return nil, fmt.Errorf("iris.csv, row %d: %w", i+2, err)
			}
		}
		if !slices.Contains(species, f.species) {
			return nil, fmt.Errorf("iris.csv, row %d: unknown species %q", i+2, f.species)
		}
		flowers = append(flowers, f)
	}
	return flowers, nil
}

// split gives every other flower to the training and the rest to the test: always the same ones, so that the accuracies
// of two versions can be compared. The rows are in order of species, so each is in both by equal shares.
func split(flowers []flower) (train, test []flower) {
	for i, f := range flowers {
		if i%2 == 0 {
			train = append(train, f)
		} else {
			test = append(test, f)
		}
	}
	return train, test
}

// irisNode is the data set's place in the lineage: its digest says exactly which bytes a version was trained on.
func irisNode() modelregistry.Node {
	sum := sha256.Sum256(irisCSV)
	return modelregistry.Node{
		Kind: modelregistry.Dataset, Name: "iris", Version: "fisher-1936", Path: "examples/quickstart/iris.csv",
		Attributes: modelregistry.MapOf(map[string]string{"digest": "sha256:" + hex.EncodeToString(sum[:]), "rows": "150"}),
	}
}
