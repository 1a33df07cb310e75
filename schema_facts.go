package modelregistry

import "github.com/modelregistry-go/modelregistry/backend"

const tableFacts = "facts"

func factTables() []backend.Table {
	return []backend.Table{
		{
			// What belongs to a version besides its own row, which is kept small since resolving reads it: signature,
			// provenance and so on. The key has the model's ID, so that renaming leaves these rows alone.
			Name:   tableFacts,
			Key:    []backend.Field{{Name: "model_id"}, {Name: "number", Kind: backend.Int}, {Name: "kind"}},
			Fields: []backend.Field{{Name: "semver"}}, // Semver.SortKey, of the signatures of releases; "" of all else
			Indexes: []backend.Index{
				{Fields: []string{"model_id", "semver"}, Sparse: true},
			},
		},
	}
}
