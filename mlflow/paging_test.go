package mlflow

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
)

// A request does not go through all there is where the registry comes back short: it answers what it has, or after a few
// pages with nothing, and the client goes on from there.
func TestARequestIsNotEndless(t *testing.T) {
	for name, c := range map[string]struct {
		found int // on each page
		asked int
	}{"nothing": {0, maxShort}, "little": {2, 1}} {
		asked := 0
		page := func(q modelregistry.Query) ([]int, string, error) {
			asked++
			n, _ := strconv.Atoi(q.PageToken)
			return make([]int, c.found), fmt.Sprint(n + 1), nil
		}
		found, next, err := fill(100, modelregistry.Query{}, page, func(int) bool { return true })
		require.NoError(t, err)
		require.Len(t, found, c.found, name)
		require.Equal(t, c.asked, asked, name)
		require.Equal(t, fmt.Sprint(c.asked), next, name)
	}
}
