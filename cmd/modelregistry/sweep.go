package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// sweep removes what nothing names.
func sweep(ctx context.Context, args []string, std streams) (err error) {
	store := storeFlags{existing: true} // a mistyped place is not an empty registry, of which every blob would go
	set := flags("sweep", std)
	store.add(set)
	dry := set.Bool("dry-run", false, "only tell what would be removed")
	age := set.Duration("min-age", 24*time.Hour, "spare what was stored more recently than this")
	takeOver := set.Bool("take-over", false, "the bucket is this registry's alone, whatever other registries have left their marks in it")
	if err := parse(set, args); err != nil {
		return err
	}
	reg, closeAll, err := store.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	opts := &modelregistry.SweepOptions{DryRun: *dry, MinAge: *age, TakeOver: *takeOver}
	if *age == 0 {
		opts.MinAge = -1
	}
	report, err := reg.Sweep(ctx, opts)
	if err != nil {
		return err
	}
	verb := "removed"
	if *dry {
		verb = "would remove"
	}
	for _, b := range report.Removed {
		fmt.Fprintln(std.out, b.Digest, b.Size)
	}
	_, err = fmt.Fprintf(std.err, "%s %d blobs of %d bytes; %d stay, %d of them, of %d bytes, for artifacts alone\n",
		verb, len(report.Removed), report.Bytes, report.Kept, report.Held, report.HeldBytes)
	if err == nil && report.Waiting > 0 {
		_, err = fmt.Fprintf(std.err, "%d blobs are left for the next sweep: files are being stored that may have their content\n", report.Waiting)
	}
	return err
}
