package modelregistry

import "github.com/modelregistry-go/modelregistry/backend"

const tableOutcomes = "outcomes"

func outcomeTables() []backend.Table {
	return []backend.Table{
		{
			// A row for each process that counts, so that none waits for another.
			Name: tableOutcomes,
			Key:  []backend.Field{{Name: "test"}, {Name: "shard"}},
		},
	}
}
