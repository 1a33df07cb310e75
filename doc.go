// Package modelregistry is a machine-learning model registry that a program embeds.
//
// A [Registry] keeps registered models and their versions, the stages and aliases that say which version serves, the
// files of each version under their SHA-256, the lineage of data, code and models, and the history of every change. It
// stands on two small interfaces: a metadata backend (packages backend/memory, backend/sqlite, backend/postgres) and a
// store of immutable blobs (package blob, over any gocloud.dev bucket). There is no server.
//
//	b, err := sqlite.Open(ctx, "registry.db", nil)
//	files, err := blob.Open(ctx, "file:///var/lib/models")
//	reg, err := modelregistry.New(ctx, b, files, nil)
//
//	v, err := reg.Register(ctx, "IrisClassifier", modelregistry.VersionSpec{Files: os.DirFS("out")})
//	_, err = reg.Promote(ctx, "IrisClassifier", v.Number, modelregistry.Production, nil)
//
//	v, err = reg.Resolve(ctx, "models:/IrisClassifier/Production")
//	weights, err := fs.ReadFile(reg.Files(ctx, v), "weights.bin") // verified
//
// # Promises
//
//   - A version appears whole or not at all, and never changes its bytes.
//   - Numbers are 1, 2, 3 … per model and are never used again.
//   - Two promotions at once never leave two versions in Production; with IfCurrent a promotion is compare-and-swap.
//   - Every change writes its event in the same transaction, chained by hash within its model. Rollback and At read
//     nothing else, and Verify compares the events with all columns and rows that they, or anything else, are read from.
//     That shows what went wrong and what was changed by hand, but not what the database's owner makes anew as a whole:
//     hold Verify against a [Checkpoint] that was kept elsewhere for that.
//   - A user's mistake is told apart from a fault: see ErrNotFound, ErrExists, ErrInvalid, ErrConflict and ErrCorrupt.
//   - No operation costs a statement per row; resolving is one statement.
//
// # Where things are
//
// [Registry] lists what can be done, by subject. [ParseURI] says how versions are named, [Query] how they are searched,
// [Semver] and [Range] how semantic versions compare. [GateRule] says what stands in front of a stage, [ApprovalStore] how
// several people decide, [RetentionStore] and [ModelPatch] what is deleted and what cannot be. [Resolver] is the part that
// inference servers need. Package backend is the contract for authors of metadata stores.
package modelregistry
