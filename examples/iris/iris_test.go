package iris_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/examples/iris"
)

func TestIrisIsFishersTable(t *testing.T) {
	flowers, err := iris.Read()
	require.NoError(t, err)
	require.Len(t, flowers, 150)
	count := map[string]int{}
	for _, f := range flowers {
		count[f.Species]++
	}
	require.Equal(t, map[string]int{"setosa": 50, "versicolor": 50, "virginica": 50}, count)
	// The two flowers that the UCI file has wrong.
	require.Equal(t, iris.Flower{Sizes: [4]float64{4.9, 3.1, 1.5, 0.2}, Species: "setosa"}, flowers[34])
	require.Equal(t, iris.Flower{Sizes: [4]float64{4.9, 3.6, 1.4, 0.1}, Species: "setosa"}, flowers[37])
}

func TestSplitsAreOfEqualSpecies(t *testing.T) {
	flowers, err := iris.Read()
	require.NoError(t, err)
	train, test := iris.Split(flowers)
	for _, part := range [][]iris.Flower{train, test} {
		count := map[string]int{}
		for _, f := range part {
			count[f.Species]++
		}
		require.Equal(t, map[string]int{"setosa": 25, "versicolor": 25, "virginica": 25}, count)
	}
}
