package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

// purge removes deleted runs for good, as mlflow gc does.
func purge(ctx context.Context, args []string, std streams) (err error) {
	var store storeFlags
	set := flags("purge", std)
	store.add(set)
	dry := set.Bool("dry-run", false, "only tell what would be removed")
	age := set.Duration("older-than", 0, "spare runs that were deleted more recently than this")
	ids := set.String("run-ids", "", "the `IDs`, separated by commas, of the runs to remove (default all that are deleted)")
	experiment := set.String("experiment-id", "", "the `ID` of the experiment whose runs to remove (default all)")
	if err := parse(set, args); err != nil {
		return err
	}
	reg, closeAll, err := store.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	what := modelregistry.RunPurge{ExperimentID: *experiment, OlderThan: *age, DryRun: *dry}
	if *ids != "" {
		what.Runs = strings.Split(*ids, ",")
	}
	report, err := reg.PurgeRuns(ctx, what)
	for _, id := range report.Runs {
		fmt.Fprintln(std.out, id)
	}
	for _, url := range report.Elsewhere {
		fmt.Fprintln(std.err, "not the registry's own, and stays:", url)
	}
	if err != nil {
		return err
	}
	verb := "removed"
	if *dry {
		verb = "would remove"
	}
	_, err = fmt.Fprintf(std.err, "%s %d runs; sweep removes the files that nothing else names\n", verb, len(report.Runs))
	return err
}
