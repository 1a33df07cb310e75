package main

import (
	"context"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// lookBack asks what only the history and the lineage know.
func lookBack(ctx context.Context, reg modelregistry.Registry, show *narrator, incident time.Time) error {
	// What served when production was broken?
	then, err := reg.At(incident).Resolve(ctx, production)
	if err != nil {
		return err
	}
	show.printf("At %s it was version %d that served: %s.\n", incident.Format(clock), then.Number, then.Description)

	// What was made of this very data?
	data, err := irisNode(ctx)
	if err != nil {
		return err
	}
	graph, err := reg.Lineage(ctx, data, nil)
	if err != nil {
		return err
	}
	var made []string
	for _, node := range graph.Nodes[1:] { // the first is the data set itself
		made = append(made, node.Version)
	}
	show.printf("Trained on %s, digest %s: versions %s.\n",
		graph.Root.Name, shortDigest(graph.Root.Version), strings.Join(made, ", "))

	// Is the history as it was written?
	report, err := reg.Verify(ctx, model)
	if err != nil {
		return err
	}
	show.printf("The history has %d events, chained by their hashes; none was altered.\n", report.Events)
	return nil
}
