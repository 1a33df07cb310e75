package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/modelregistry-go/modelregistry/backend"
)

// sweepManifests removes the lists of files that no version has, and counts them.
func (r *registry) sweepManifests(ctx context.Context, dry bool) (int, error) {
	count := 0
	q := backend.Query{Table: tableManifests, Limit: manifestPage}
	for {
		rows, err := r.backend.Find(ctx, q)
		if err != nil {
			return count, fmt.Errorf("read lists of files: %w", err)
		}
		digests, parts := make([]backend.Value, len(rows)), map[string]int{}
		for i, row := range rows {
			digests[i] = row.Key[0]
			m, err := decodeManifest(row)
			if err != nil {
				return count, err
			}
			parts[row.Key[0].Str()] = m.Parts
		}
		unused, err := unusedManifests(r.find(ctx), digests)
		if err != nil {
			return count, err
		}
		if count += len(unused); !dry && len(unused) > 0 {
			if err := r.removeManifests(ctx, unused, parts); err != nil {
				return count, err
			}
		}
		if len(rows) < manifestPage {
			return count, nil
		}
		q.After = rows[len(rows)-1].Key
	}
}

// unusedManifests are those of the digests that no version has.
func unusedManifests(find func(backend.Query) ([]backend.Row, error), digests []backend.Value) ([]backend.Value, error) {
	if len(digests) == 0 {
		return nil, nil
	}
	rows, err := find(backend.Query{Table: tableVersions, Where: []backend.Cond{{Field: "digest", Op: backend.In, Values: digests}}})
	if err != nil {
		return nil, fmt.Errorf("read versions: %w", err)
	}
	used := map[string]bool{}
	for _, row := range rows {
		v, err := decodeVersion(row)
		if err != nil {
			return nil, err
		}
		used[v.Digest] = true
	}
	return slices.DeleteFunc(slices.Clone(digests), func(d backend.Value) bool { return used[d.Str()] }), nil
}

// removeManifests removes lists of files that are still unused under their locks, which registrations take too. Those
// from artifacts do not know theirs yet, and keep to the locks of leases instead.
func (r *registry) removeManifests(ctx context.Context, digests []backend.Value, parts map[string]int) error {
	locks := allUploadLocks()
	for _, d := range digests {
		locks = append(locks, manifestLock(d.Str()))
	}
	err := r.backend.Update(ctx, locks, func(tx backend.Tx) error {
		unused, err := unusedManifests(tx.Find, digests)
		if err != nil {
			return err
		}
		var lists, rest []backend.Key
		for _, d := range unused {
			lists = append(lists, backend.Key{d})
			for part := range parts[d.Str()] { // a digest says what is in which part
				rest = append(rest, partKey(d.Str(), part+1))
			}
		}
		if err := tx.Delete(tableParts, rest...); err != nil {
			return err
		}
		return tx.Delete(tableManifests, lists...)
	})
	if err != nil {
		return fmt.Errorf("remove lists of files: %w", err)
	}
	return nil
}

// namedBlobs are the blobs that artifacts name, and those that lists of files do. For a dry run, lists that no version has
// do not count.
func (r *registry) namedBlobs(ctx context.Context, dry bool) (artifacts, listed map[string]bool, err error) {
	artifacts, listed = map[string]bool{}, map[string]bool{}
	if err := eachBelow(r.find(ctx), "", func(rows []backend.Row) error { return nameArtifacts(artifacts, rows) }); err != nil {
		return nil, nil, err
	}
	return artifacts, listed, r.nameListed(ctx, listed, 0, dry)
}

// namedSince are those of the batch that artifacts name, and all that lists of files of that generation or later name.
func (r *registry) namedSince(ctx context.Context, batch []BlobInfo, generation int64) (map[string]bool, error) {
	named := map[string]bool{}
	q := backend.Query{Table: tableArtifacts, Limit: artifactPage, Where: []backend.Cond{{Field: "digest", Op: backend.In, Values: digestsOf(batch)}}}
	for {
		rows, err := r.backend.Find(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("read artifacts: %w", err)
		}
		if err := nameArtifacts(named, rows); err != nil {
			return nil, err
		}
		if len(rows) < artifactPage {
			return named, r.nameListed(ctx, named, generation, false)
		}
		q.After = rows[len(rows)-1].Key
	}
}

func nameArtifacts(named map[string]bool, rows []backend.Row) error {
	for _, row := range rows {
		a, err := decodeArtifact(row)
		if err != nil {
			return err
		}
		if !a.dir {
			named[a.Digest] = true
		}
	}
	return nil
}

// nameListed adds the blobs that lists of files of that generation or later name; 0 is all.
func (r *registry) nameListed(ctx context.Context, named map[string]bool, generation int64, dry bool) error {
	q := backend.Query{Table: tableManifests, Limit: manifestPage}
	if generation > 0 {
		q.Where = []backend.Cond{{Field: "generation", Op: backend.Ge, Value: backend.IntValue(generation)}}
	}
	for {
		rows, err := r.backend.Find(ctx, q)
		if err != nil {
			return fmt.Errorf("read lists of files: %w", err)
		}
		var unused []backend.Value
		if dry {
			digests := make([]backend.Value, len(rows))
			for i, row := range rows {
				digests[i] = row.Key[0]
			}
			if unused, err = unusedManifests(r.find(ctx), digests); err != nil {
				return err
			}
		}
		for _, row := range rows {
			if slices.Contains(unused, row.Key[0]) {
				continue
			}
			err := eachPart(r.find(ctx), row, func(files []File) {
				for _, f := range files {
					named[f.Digest] = true
				}
			})
			if err != nil && !errors.Is(err, backend.ErrNotFound) { // another Sweep's: nothing names it
				return err
			}
		}
		if len(rows) < manifestPage {
			return nil
		}
		q.After = rows[len(rows)-1].Key
	}
}
