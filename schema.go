package modelregistry

import (
	"slices"

	"github.com/modelregistry-go/modelregistry/backend"
)

// The tables. A field is declared here if something searches by it; everything else is in the row's document.
const (
	tableModels    = "models"
	tableVersions  = "versions"
	tableManifests = "manifests"
	tableParts     = "manifest_parts"
	tableEvents    = "events"
	tableNames     = "names"
	tableChains    = "chains"
	tableNodes     = "nodes"
	tableEdges     = "edges"
	tableUploads   = "uploads"
	tableCondemned = "condemned"
	tableSweeps    = "sweeps"
	tableSelf      = "self"
)

// schemaFormat is raised with every change to the declarations below.
const schemaFormat = 1

// schema declares what the registry stores. Backends make tables, buckets or trees of it.
func schema() backend.Schema {
	return backend.Schema{Format: schemaFormat, Tables: slices.Concat(registryTables(), runTables(), outcomeTables(), policyTables(), factTables())}
}

func registryTables() []backend.Table {
	return []backend.Table{
		{
			// A model's row also carries what a change to the model needs to know: the last number, who holds its
			// stages and aliases, the newest semantic version and the end of its chain of events. One read under
			// the model's lock then tells a promotion all it has to know.
			Name: tableModels,
			Key:  []backend.Field{{Name: "name"}},
			Fields: []backend.Field{
				{Name: "id"},
				{Name: "created", Kind: backend.Time},
				{Name: "updated", Kind: backend.Time},
				{Name: "tags", Shape: backend.Map},
			},
			Indexes: []backend.Index{
				{Fields: []string{"id"}, Unique: true},
				{Fields: []string{"updated"}},
				{Fields: []string{"tags"}},
			},
		},
		{
			Name: tableVersions,
			Key:  []backend.Field{{Name: "model"}, {Name: "number", Kind: backend.Int}},
			Fields: []backend.Field{
				{Name: "stage"},  // "" for None
				{Name: "semver"}, // Semver.SortKey, so that a range of versions is a range of strings; "" for none
				{Name: "digest"},
				{Name: "run"},
				{Name: "created", Kind: backend.Time},
				{Name: "updated", Kind: backend.Time},
				{Name: "aliases", Shape: backend.Set},
				{Name: "tags", Shape: backend.Map},
				{Name: "params", Shape: backend.Map},
				{Name: "metrics", Shape: backend.Map, Kind: backend.Float},
			},
			Indexes: []backend.Index{
				{Fields: []string{"model", "stage"}, Sparse: true},
				{Fields: []string{"stage"}, Sparse: true},
				{Fields: []string{"model", "semver"}, Unique: true},
				{Fields: []string{"digest"}, Sparse: true},
				{Fields: []string{"run"}, Sparse: true},
				{Fields: []string{"updated"}},
				{Fields: []string{"model", "aliases"}, Unique: true},
				{Fields: []string{"tags"}},
				{Fields: []string{"params"}},
				{Fields: []string{"metrics"}},
			},
		},
		{
			// The lists of files, by the digest that a version has over all its files. Versions with equal files
			// share one.
			Name:   tableManifests,
			Key:    []backend.Field{{Name: "digest"}},
			Fields: []backend.Field{{Name: "generation", Kind: backend.Int}}, // see selfRow
			Indexes: []backend.Index{
				{Fields: []string{"generation"}},
			},
		},
		{
			// What does not fit the row of a list, from part 1 on.
			Name: tableParts,
			Key:  []backend.Field{{Name: "digest"}, {Name: "part", Kind: backend.Int}},
		},
		{
			Name: tableEvents,
			Log:  true,
			Fields: []backend.Field{
				{Name: "model_id"},
				{Name: "time", Kind: backend.Time}, // see settleTime
				{Name: "version", Kind: backend.Int},
				{Name: "stage_from"}, // "" for None and Archived: only stages that are held are looked up
				{Name: "stage_to"},
				{Name: "alias"},
			},
			Indexes: []backend.Index{
				{Fields: []string{"model_id", "time"}},
				{Fields: []string{"model_id", "version"}},
				{Fields: []string{"model_id", "stage_from"}, Sparse: true},
				{Fields: []string{"model_id", "stage_to"}, Sparse: true},
				{Fields: []string{"model_id", "alias"}, Sparse: true},
			},
		},
		{
			// Which models had a name, one after the other: a name outlives renames and deletions. From when until when is
			// no part of the key, since clocks say that, and are not trusted with an order.
			Name:    tableNames,
			Key:     []backend.Field{{Name: "name"}, {Name: "turn", Kind: backend.Int}},
			Fields:  []backend.Field{{Name: "model_id"}},
			Indexes: []backend.Index{{Fields: []string{"model_id"}}},
		},
		{
			// The ends of the chains of events that no live model's row carries: the lineage's and deleted models'.
			Name: tableChains,
			Key:  []backend.Field{{Name: "id"}},
		},
		{
			// What is known of nodes of the lineage besides their names.
			Name: tableNodes,
			Key:  []backend.Field{{Name: "id"}},
		},
		{
			// from_id came from to_id. Up follows the key, down the index.
			Name:    tableEdges,
			Key:     []backend.Field{{Name: "from_id"}, {Name: "type"}, {Name: "to_id"}},
			Indexes: []backend.Index{{Fields: []string{"to_id"}}},
		},
		{
			// Registrations that are storing files now: Sweep waits for them.
			Name: tableUploads,
			Key:  []backend.Field{{Name: "id"}},
		},
		{
			// Blobs that a Sweep is about to remove: registrations wait for it.
			Name:    tableCondemned,
			Key:     []backend.Field{{Name: "digest"}},
			Fields:  []backend.Field{{Name: "sweep"}},
			Indexes: []backend.Index{{Fields: []string{"sweep"}}},
		},
		{
			// Sweeps that are removing now.
			Name: tableSweeps,
			Key:  []backend.Field{{Name: "id"}},
		},
		{
			// One row, about the registry itself.
			Name: tableSelf,
			Key:  []backend.Field{{Name: "name"}},
		},
	}
}
