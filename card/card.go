package card

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/compare"
)

// Options go with New. Nil means all defaults.
type Options struct {
	// Lineage bounds the picture of the lineage; nil is 6 edges up, 3 down and 60 nodes.
	Lineage *modelregistry.LineageOptions
	// Events is how many events of the version's history are told, the newest; 0 is 200.
	Events int
	// Compare says which values of metrics are better; nil is as compare.DirectionOf says.
	Compare *compare.Options
}

const (
	defaultEvents = 200
	maxFiles      = 500 // that are listed
)

// A Card is what there is to say of a version.
type Card struct {
	Version *modelregistry.Version
	Model   *modelregistry.Model
	Facts   *modelregistry.Facts
	Files   []modelregistry.File
	Lineage *modelregistry.Graph
	// History is what happened to the version, oldest first.
	History []*modelregistry.Event
	// Earlier says that there are older events than those in History.
	Earlier bool
	// Previous is the version that was in Production before this one, or if this one never was, that is there now; or nil.
	Previous *modelregistry.Version
	// Compared is Previous beside Version; nil without one.
	Compared *compare.Comparison
}

// New reads what there is to say of a version. What the registry cannot do, as clients of other servers cannot, is left
// out. It takes a few reads more than a comparison of two versions, each of the registry as it is then.
func New(ctx context.Context, reg modelregistry.Registry, v *modelregistry.Version, opts *Options) (*Card, error) {
	if opts == nil {
		opts = &Options{}
	}
	if v == nil || v.Number == 0 {
		return nil, fmt.Errorf("card: %w: it is of a registered version", modelregistry.ErrInvalid)
	}
	if opts.Events < 0 {
		return nil, fmt.Errorf("card: %w: %d events; at least 1, or 0 for %d", modelregistry.ErrInvalid, opts.Events, defaultEvents)
	}
	c := &Card{Version: v}
	bounds := opts.Lineage
	if bounds == nil {
		bounds = &modelregistry.LineageOptions{UpDepth: 6, DownDepth: 3, MaxNodes: 60}
	}
	for _, read := range []func() error{
		func() (err error) { c.Model, err = reg.Model(ctx, v.Model); return err },
		func() (err error) { c.Facts, err = reg.Facts(ctx, v); return err },
		func() (err error) { c.Files, err = reg.Manifest(ctx, v); return err },
		func() (err error) { c.Lineage, err = reg.Lineage(ctx, v.Node(), bounds); return err },
		func() error { return c.readHistory(ctx, reg, opts.Events) },
		func() error { return c.readPrevious(ctx, reg, opts.Compare) },
	} {
		if err := read(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return nil, fmt.Errorf("card of %s: %w", v.Ref(), err)
		}
	}
	return c, nil
}

func (c *Card) readHistory(ctx context.Context, reg modelregistry.Registry, limit int) error {
	if limit == 0 {
		limit = defaultEvents
	}
	q := modelregistry.EventQuery{ModelID: c.Version.ModelID, Version: c.Version.Number, Newest: true, Limit: limit + 1}
	for e, err := range reg.Events(ctx, q) {
		if err != nil {
			return err
		}
		c.History = append(c.History, e)
	}
	if len(c.History) > limit {
		c.History, c.Earlier = c.History[:limit], true
	}
	slices.Reverse(c.History)
	return nil
}

// readPrevious finds whom the version took Production from; else who has it.
func (c *Card) readPrevious(ctx context.Context, reg modelregistry.Registry, opts *compare.Options) error {
	previous := 0
	for _, e := range slices.Backward(c.History) {
		h, changed := e.Holders[modelregistry.Production]
		if changed && slices.Contains(h.After, c.Version.Number) && !slices.Contains(h.Before, c.Version.Number) && len(h.Before) > 0 {
			previous = slices.Max(h.Before)
			break
		}
	}
	if previous == 0 && c.Model != nil {
		previous = c.Model.Holder(modelregistry.Production)
	}
	if previous == 0 || previous == c.Version.Number {
		return nil
	}
	var err error
	if c.Previous, err = reg.Version(ctx, c.Version.Model, previous); errors.Is(err, modelregistry.ErrNotFound) {
		return nil // it was deleted since
	} else if err != nil {
		return err
	}
	c.Compared, err = compare.Versions(ctx, reg, opts, c.Previous, c.Version)
	return err
}
