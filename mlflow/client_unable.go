package mlflow

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// This file is what MLflow's API has no words for, and why.

const (
	lacksHistory  = "MLflow's registry has no history of changes"
	lacksLineage  = "MLflow's registry has no lineage but a version's run"
	lacksWebhooks = "a server delivers its webhooks itself; manage them where it runs"
)

func unableSeq[T any](op, reason string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		yield(none, unable(op, "", reason))
	}
}

// Link is not supported: MLflow's registry has no lineage but a version's run.
func (c *Client) Link(context.Context, *modelregistry.ChangeOptions, ...modelregistry.Edge) error {
	return unable("Link", "", lacksLineage)
}

// Lineage is not supported: MLflow's registry has no lineage but a version's run.
func (c *Client) Lineage(_ context.Context, node modelregistry.Node, _ *modelregistry.LineageOptions) (*modelregistry.Graph, error) {
	return nil, unable("Lineage", node.Name, lacksLineage)
}

// Events is not supported: MLflow's registry has no history of changes.
func (c *Client) Events(context.Context, modelregistry.EventQuery) iter.Seq2[*modelregistry.Event, error] {
	return unableSeq[*modelregistry.Event]("Events", lacksHistory)
}

// Follow is not supported: MLflow's registry has no history of changes.
func (c *Client) Follow(context.Context, string) iter.Seq2[*modelregistry.Event, error] {
	return unableSeq[*modelregistry.Event]("Follow", lacksHistory)
}

// Cursor is not supported: MLflow's registry has no history of changes.
func (c *Client) Cursor(context.Context) (string, error) {
	return "", unable("Cursor", "", lacksHistory)
}

// Verify is not supported: MLflow's registry has no history of changes.
func (c *Client) Verify(_ context.Context, model string, _ ...*modelregistry.Checkpoint) (*modelregistry.VerifyReport, error) {
	return nil, unable("Verify", model, lacksHistory)
}

// VerifyAll is not supported: MLflow's registry has no history of changes.
func (c *Client) VerifyAll(context.Context, ...*modelregistry.Checkpoint) iter.Seq2[*modelregistry.VerifyReport, error] {
	return unableSeq[*modelregistry.VerifyReport]("VerifyAll", lacksHistory)
}

// Checkpoint is not supported: MLflow's registry has no history of changes.
func (c *Client) Checkpoint(context.Context, ...string) (*modelregistry.Checkpoint, error) {
	return nil, unable("Checkpoint", "", lacksHistory)
}

// At resolves nothing: MLflow's registry has no history of changes.
func (c *Client) At(time.Time) modelregistry.Resolver { return noPast{c} }

type noPast struct{ c *Client }

func (p noPast) Resolve(_ context.Context, uri string) (*modelregistry.Version, error) {
	if _, err := modelregistry.ParseURI(uri); err != nil {
		return nil, failed("Resolve", uri, "", err)
	}
	return nil, unable("Resolve", uri, lacksHistory)
}

func (p noPast) Files(ctx context.Context, v *modelregistry.Version) fs.FS { return p.c.Files(ctx, v) }

// Sweep is not supported: what a server stores is the server's to clean up.
func (c *Client) Sweep(context.Context, *modelregistry.SweepOptions) (*modelregistry.SweepReport, error) {
	return nil, unable("Sweep", "", "what a server stores is the server's to clean up; see mlflow gc")
}

// CreateWebhook and the other methods about webhooks are not supported.
func (c *Client) CreateWebhook(context.Context, modelregistry.WebhookSpec) (*modelregistry.Webhook, error) {
	return nil, unable("CreateWebhook", "", lacksWebhooks)
}

// Webhook is not supported.
func (c *Client) Webhook(_ context.Context, id string) (*modelregistry.Webhook, error) {
	return nil, unable("Webhook", id, lacksWebhooks)
}

// Webhooks is not supported.
func (c *Client) Webhooks(context.Context, modelregistry.Query) (modelregistry.WebhookPage, error) {
	return modelregistry.WebhookPage{}, unable("Webhooks", "", lacksWebhooks)
}

// UpdateWebhook is not supported.
func (c *Client) UpdateWebhook(_ context.Context, id string, _ modelregistry.WebhookPatch) (*modelregistry.Webhook, error) {
	return nil, unable("UpdateWebhook", id, lacksWebhooks)
}

// DeleteWebhook is not supported.
func (c *Client) DeleteWebhook(_ context.Context, id string) error {
	return unable("DeleteWebhook", id, lacksWebhooks)
}

// LeaseWebhook is not supported.
func (c *Client) LeaseWebhook(_ context.Context, id, _ string, _ time.Time) (*modelregistry.Webhook, error) {
	return nil, unable("LeaseWebhook", id, lacksWebhooks)
}

// AdvanceWebhook is not supported.
func (c *Client) AdvanceWebhook(_ context.Context, id, _ string, _ modelregistry.WebhookProgress) error {
	return unable("AdvanceWebhook", id, lacksWebhooks)
}

// unable is an error about what MLflow cannot do.
func unable(op, ref, reason string) error {
	return &modelregistry.Error{Op: op, Ref: ref, Err: fmt.Errorf("%w: %s", errors.ErrUnsupported, reason)}
}
