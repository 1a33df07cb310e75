package modelregistry

import "github.com/modelregistry-go/modelregistry/backend"

const tableApprovals = "approvals"

func policyTables() []backend.Table {
	return []backend.Table{
		{
			// Requests for transitions with their votes. IDs begin with the time of the request, so the key's order
			// is theirs.
			Name: tableApprovals,
			Key:  []backend.Field{{Name: "id"}},
			Fields: []backend.Field{
				{Name: "model"}, // by name: it is one that is there, since deleting the model deletes them
				{Name: "version", Kind: backend.Int},
				{Name: "state"},                       // "pending" of what has expired, too
				{Name: "expires", Kind: backend.Time}, // far off, if it never does
			},
			Indexes: []backend.Index{
				{Fields: []string{"model"}},
				{Fields: []string{"model", "version"}},
				{Fields: []string{"state"}},
			},
		},
	}
}
