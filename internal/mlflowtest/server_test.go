package mlflowtest_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/internal/mlflowtest"
)

func TestServer(t *testing.T) {
	resp, err := http.Get(mlflowtest.Server(t) + "/version")
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, mlflowtest.Current, string(text))
	require.NotEqual(t, mlflowtest.Workspace(t), mlflowtest.Workspace(t))
}
