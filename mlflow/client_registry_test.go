package mlflow_test

import (
	"maps"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/blob"
	"github.com/modelregistry-go/modelregistry/internal/mlflowtest"
	"github.com/modelregistry-go/modelregistry/mlflow"
	"github.com/modelregistry-go/modelregistry/registrytest"
)

func newClient(t testing.TB, url string, opts *mlflow.ClientOptions) *mlflow.Client {
	t.Helper()
	c, err := mlflow.NewClient(url, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// groups are those that are about what MLflow's API has words for.
var groups = []string{
	"Models", "Register", "Files", "Download", "Stages", "Aliases", "Resolve", "Versions", "Search", "Artifacts", "Logged models", "Races",
	"Runs", "Contexts", "Mistakes",
}

// unsupported is what it has no words for, of these.
var unsupported = []string{
	"Params", "Digests", "Actors", "IDs", "Source", "Holders", "Sentences", // features
	"Contexts", "Mistakes", // of methods that are not supported
	"Files/a symbolic link inside the tree is its file; one that leaves it is refused",
	"Stages/a promotion happens only if the expected version holds the stage",
	"Aliases/an alias moves only if it names the expected version",
	"Aliases/the history of an alias tells every version that it named",
	"Resolve/a semantic version finds its version, and a range the highest in it",
	"Resolve/a digest pin fails closed",
	"Resolve/a range finds the highest version in it",
	"Resolve/a range finds its version below many that are not in it",
	"Versions/a copy keeps the semantic version where it is free",
	"Races/of promotions that expect the same version one wins",
	"Races/of alias changes that expect the same version one wins",
	"Races/two edges at once never close a cycle",
	"Races/Follow misses nothing that several writers write",
	"Races/registrations at once get the numbers 1, 2, 3 …",
}

const (
	lacksDigests     = "versions have no digest"
	lacksTracking    = "MLflow has its own rules here"
	lacksAnywhere    = "MLflow registers only what a run or logged model has left"
	lacksAtomic      = "MLflow's API has no transactions"
	lacksFilters     = "MLflow's filters and orders know less"
	lacksFileDigests = "files have no digests, so that what is there cannot be told to be right"
	lacksMillis      = "MLflow's times are milliseconds"
)

// unkept is what no client of MLflow's API can promise.
var unkept = map[string]string{
	"Register/the digest is over paths and contents, and nothing else":                        lacksDigests,
	"Artifacts/the URI of a run is what it left":                                              lacksDigests,
	"Resolve/a digest finds its version":                                                      lacksDigests,
	"Versions/changes carry the name of who made them":                                        "the server knows who by the credentials",
	"Runs/a run that was deleted is purged with all it has":                                   "MLflow purges by a command where it runs, mlflow gc",
	"Runs/a version of a run that is not there is refused":                                    "MLflow takes any run's ID",
	"Races/an alias set beside a deletion never points at nothing":                            lacksAtomic,
	"Races/promotions at once leave one in Production, and displace each version once":        lacksAtomic,
	"Artifacts/artifacts are logged whole or not at all":                                      lacksAtomic,
	"Artifacts/an artifact reads back byte for byte, and a later one takes its place":         "MLflow tells no times of artifacts",
	"Artifacts/a directory is listed in order of bytes, page by page":                         "MLflow tells no times of artifacts",
	"Artifacts/Artifacts is a file system as testing/fstest wants it":                         "MLflow's artifacts can change under a reader",
	"Artifacts/a version is made of artifacts before or after a change of them":               lacksAnywhere,
	"Artifacts/a version is made of one artifact, or of very many":                            lacksAnywhere,
	"Artifacts/a version made of artifacts has what they were then, for good":                 lacksAnywhere,
	"Artifacts/a version cannot be made of artifacts that are not there":                      lacksAnywhere,
	"Logged models/a logged model belongs to an experiment, and its files have a place there": lacksTracking,
	"Logged models/a logged model that is none is refused":                                    lacksTracking,
	"Logged models/a logged model that was deleted is gone, until it is restored":             lacksTracking,
	"Logged models/a logged model is changed as far as a patch says":                          lacksMillis,
	"Runs/an experiment's name is its own, also when it is deleted":                           lacksTracking,
	"Runs/an experiment is found by ID, name and filter":                                      lacksTracking,
	"Runs/an experiment is deleted and restored with its runs":                                lacksTracking,
	"Runs/a version that a run made was produced by it":                                       "versions have no lineage",
	"Runs/inputs and outputs are there once, and data is in the lineage":                      "versions have no lineage",
	"Runs/what is logged is there, whole or not at all":                                       lacksAtomic,
	"Runs/a run ends once, and can go on":                                                     lacksMillis,
	"Mistakes/a stage or an alias that is none gets those that are":                           "a delete of no alias is never sent",
	"Mistakes/values past the limits are refused":                                             "reasons are not sent",
}

// unkeptByMLflow is what MLflow's own server does otherwise than one of this package.
var unkeptByMLflow = map[string]string{
	"Download/a download holds just the files, and is left as it is when it is right":   lacksFileDigests,
	"Download/a download goes on where an interrupted one stopped":                      lacksFileDigests,
	"Download/downloads into one directory at the same time all end well":               lacksFileDigests,
	"Search/a filter selects the versions that meet it":                                 lacksFilters,
	"Search/a filter selects the models that meet it":                                   lacksFilters,
	"Search/an order is kept, with ties decided":                                        lacksFilters,
	"Search/pages of a search that looks through everything give what it selects once":  lacksFilters,
	"Search/rows that come and go between two pages move no other":                      "its pages are offsets",
	"Artifacts/a directory goes with its last file, and all files with their directory": "its directories stay",
	"Artifacts/a file and a directory do not share a path":                              "it answers 500",
	"Artifacts/paths of artifacts that are not plain and relative are refused":          "it answers 500 to names longer than its disk takes",
	"Artifacts/names that control a terminal or are devices are refused":                "it takes all names",
	"Files/names that control a terminal or are devices are refused":                    "it takes all names",
	"Logged models/a logged model has every point that was logged about it":             lacksTracking,
	"Logged models/logged models are in order, page by page":                            lacksFilters,
	"Logged models/points about a logged model are logged with all else, or nothing is": lacksTracking,
	"Logged models/a filter selects the logged models that meet it":                     lacksFilters,
	"Runs/a run keeps what it was started with":                                         "a run has no user unless one is sent",
	"Runs/the default experiment is always there":                                       "a workspace has none",
	"Runs/runs are ordered by anything, and what lacks it comes last":                   lacksFilters,
	"Runs/a filter selects the runs that meet it":                                       lacksFilters,
	"Runs/infinities and NaN are metrics too":                                           "it stores infinity as the largest number",
	"Mistakes/a name that is none is refused by every method":                           "on SQLite it has no limits of length",
	"Mistakes/a search that is none gets what can be asked":                             "it reads filters without AND",
	"Mistakes/tags that come to too much over several calls are refused":                "it has no limit over several calls",
	"Mistakes/names that would read as something else are refused":                      "it takes them",
}

// A client is a registry, as far as MLflow can express one: on a server of this package.
func TestClientOfHandler(t *testing.T) {
	registrytest.Run(t, func(t testing.TB, opts *modelregistry.Options) modelregistry.Registry {
		b := memory.New()
		t.Cleanup(func() { require.NoError(t, b.Close()) })
		blobs, err := blob.Open(t.Context(), "mem://")
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, blobs.Close()) })
		reg, err := modelregistry.New(t.Context(), b, blobs, opts)
		require.NoError(t, err)
		srv := httptest.NewServer(mlflow.Handler(reg, nil))
		t.Cleanup(srv.Close)
		return newClient(t, srv.URL, nil)
	}, &registrytest.Options{Groups: groups, Unsupported: unsupported, Unkept: unkept})
}

// And on MLflow's own server, where it takes a minute: with MODELREGISTRY_TEST_THOROUGH all groups, else some.
func TestClientOfMLflow(t *testing.T) {
	url := mlflowtest.Server(t)
	groups := groups
	if os.Getenv("MODELREGISTRY_TEST_THOROUGH") == "" {
		groups = []string{"Models", "Stages", "Aliases", "Files"}
	}
	both := maps.Clone(unkept)
	maps.Copy(both, unkeptByMLflow)
	registrytest.Run(t, func(t testing.TB, _ *modelregistry.Options) modelregistry.Registry {
		return newClient(t, url, &mlflow.ClientOptions{Workspace: mlflowtest.Workspace(t)})
	}, &registrytest.Options{Groups: groups, Unsupported: append([]string{"Directories"}, unsupported...), Unkept: both})
}
