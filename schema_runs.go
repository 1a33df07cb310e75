package modelregistry

import "github.com/modelregistry-go/modelregistry/backend"

// The tables of runs, of what they left, and of webhooks.
const (
	tableExperiments  = "experiments"
	tableRuns         = "runs"
	tableRunEntries   = "run_entries"
	tablePoints       = "points"
	tableLoggedModels = "logged_models"
	tableModelPoints  = "model_points"
	tableArtifacts    = "artifacts"
	tableWebhooks     = "webhooks"
)

func runTables() []backend.Table {
	return []backend.Table{
		{
			Name: tableExperiments,
			Key:  []backend.Field{{Name: "number", Kind: backend.Int}}, // the ID
			Fields: []backend.Field{
				{Name: "name"},
				{Name: "lifecycle"}, // "active" or "deleted"
				{Name: "created", Kind: backend.Time},
				{Name: "updated", Kind: backend.Time},
				{Name: "tags", Shape: backend.Map},
			},
			Indexes: []backend.Index{
				{Fields: []string{"name"}, Unique: true},
				{Fields: []string{"created"}},
				{Fields: []string{"updated"}},
				{Fields: []string{"tags"}},
			},
		},
		{
			Name: tableRuns,
			Key:  []backend.Field{{Name: "id"}},
			Fields: []backend.Field{
				{Name: "experiment"},
				{Name: "lifecycle"},
				{Name: "name"},
				{Name: "status"},
				{Name: "user_id"},
				{Name: "started", Kind: backend.Time},
				{Name: "ended", Kind: backend.Time},
			},
			Indexes: []backend.Index{
				{Fields: []string{"experiment", "started"}},
				{Fields: []string{"name"}},
				{Fields: []string{"started"}},
				{Fields: []string{"ended"}},
			},
		},
		{
			// What runs have: tags, params, newest points of metrics, inputs and outputs, such as param.lr.
			Name: tableRunEntries,
			Key:  []backend.Field{{Name: "run"}, {Name: "entry"}},
			Fields: []backend.Field{
				{Name: "experiment"}, // of the run, which never changes
				{Name: "value"},      // of a tag or a param; of a metric the bits, so that text sorts as the numbers do
			},
			Indexes: []backend.Index{
				{Fields: []string{"experiment", "entry", "value"}},
				{Fields: []string{"entry", "value"}},
			},
		},
		{
			// Every point of every metric. All of it is key, so that a point that is logged twice is there once.
			Name: tablePoints,
			Key: []backend.Field{
				{Name: "run"}, {Name: "metric"}, {Name: "time", Kind: backend.Int}, {Name: "step", Kind: backend.Int},
				{Name: "value"}, // the bits, so that text sorts as the numbers do
			},
		},
		{
			Name: tableLoggedModels,
			Key:  []backend.Field{{Name: "id"}},
			Fields: []backend.Field{
				{Name: "experiment"},
				{Name: "run"},
				{Name: "lifecycle"},
				{Name: "name"},
				{Name: "model_type"},
				{Name: "status"},
				{Name: "created", Kind: backend.Time},
				{Name: "updated", Kind: backend.Time},
				{Name: "tags", Shape: backend.Map},
				{Name: "params", Shape: backend.Map},
			},
			Indexes: []backend.Index{
				{Fields: []string{"experiment"}},
				{Fields: []string{"run"}, Sparse: true},
				{Fields: []string{"name"}},
				{Fields: []string{"created"}},
				{Fields: []string{"updated"}},
				{Fields: []string{"tags"}},
				{Fields: []string{"params"}},
			},
		},
		{
			// Every point that is about a logged model. All of it is key, as in points.
			Name: tableModelPoints,
			Key: []backend.Field{
				{Name: "model"}, {Name: "metric"}, {Name: "time", Kind: backend.Int}, {Name: "step", Kind: backend.Int},
				{Name: "value"}, // the bits, so that text sorts as the numbers do
				{Name: "run"},
				{Name: "data"}, // a hash of the data set, which has a long name and a long digest; "" without one
			},
			Fields: []backend.Field{{Name: "experiment"}}, // of the model, which never changes
			Indexes: []backend.Index{
				{Fields: []string{"experiment", "metric", "value"}},
				{Fields: []string{"metric", "value"}},
				{Fields: []string{"model", "time"}},
			},
		},
		{
			// A row for each file, and for each directory that has any, so that listing one level is one range.
			Name:   tableArtifacts,
			Key:    []backend.Field{{Name: "dir"}, {Name: "name"}},
			Fields: []backend.Field{{Name: "digest"}}, // "" of a directory
			Indexes: []backend.Index{
				{Fields: []string{"digest"}, Sparse: true},
			},
		},
		{
			Name:   tableWebhooks,
			Key:    []backend.Field{{Name: "id"}},
			Fields: []backend.Field{{Name: "created", Kind: backend.Time}},
			Indexes: []backend.Index{
				{Fields: []string{"created"}},
			},
		},
	}
}
