package modelregistry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// An Endpoint is where a version is served.
type Endpoint struct {
	Name string `json:"name"` // such as "fraud-api"
	// Target tells apart endpoints of one name: a cluster, a region, a provider. It may be "".
	Target string `json:"target,omitempty"`
	// Traffic is the share of the endpoint's requests that the version gets, in percent.
	Traffic float64 `json:"traffic"`
	// Since is when it began; zero is now, or as it was recorded.
	Since time.Time `json:"since"`
	URL   string    `json:"url,omitempty"` // for people, never opened
}

// Node is the endpoint in the lineage.
func (e Endpoint) Node() Node {
	return Node{Kind: Deployment, Name: e.Name, Version: e.Target, Path: e.URL}
}

func (e *Endpoint) check() error {
	if strings.TrimSpace(e.Name) == "" {
		return fmt.Errorf("endpoint: %w: it has no name", ErrInvalid)
	}
	if !(e.Traffic >= 0 && e.Traffic <= 100) {
		return fmt.Errorf("endpoint %q: %w: traffic of %v; a percentage from 0 to 100", e.Name, ErrInvalid, e.Traffic)
	}
	if e.Since.Year() > 9999 || e.Since.Year() < 0 {
		return fmt.Errorf("endpoint %q: %w: since the year %d", e.Name, ErrInvalid, e.Since.Year())
	}
	return e.Node().check()
}

func (r *registry) RecordDeployment(ctx context.Context, model string, number int, at Endpoint, opts *ChangeOptions) error {
	if opts == nil {
		opts = &ChangeOptions{}
	}
	return wrap("RecordDeployment", versionRef(model, number), r.recordDeployment(ctx, model, number, at, opts.Reason))
}

func (r *registry) recordDeployment(ctx context.Context, model string, number int, at Endpoint, reason string) error {
	if err := errors.Join(checkNumber(number), at.check()); err != nil {
		return err
	}
	return r.changeModel(ctx, model, reason, false, append(nodeLocks(at.Node()), lineageLock), func(c *change) error {
		v, err := c.only(number)
		if err != nil {
			return err
		}
		var endpoints []Endpoint
		if err := c.readFact(v, factEndpoints, &endpoints); err != nil {
			return err
		}
		fresh := at
		place, known := findEndpoint(endpoints, at.Name, at.Target)
		switch {
		case !at.Since.IsZero():
			fresh.Since = micro(at.Since)
		case known:
			fresh.Since = endpoints[place].Since
		default:
			fresh.Since = c.now
		}
		var before *Endpoint
		if known {
			if before = new(endpoints[place]); *before == fresh {
				return nil
			}
			endpoints[place] = fresh
		} else if len(endpoints) >= maxEndpoints {
			return fmt.Errorf("version %d: %w: it is served at %d endpoints, as many as there can be", number, ErrInvalid, len(endpoints))
		} else {
			endpoints = slices.Insert(endpoints, place, fresh)
		}
		if err := c.putFact(v, factEndpoints, endpoints); err != nil {
			return err
		}
		c.noteServed(number, true)
		e, err := c.deployed(DeploymentRecorded, number, before, &fresh)
		if err != nil {
			return err
		}
		e.Edges, err = c.linkEndpoint(fresh.Node(), v)
		return err
	})
}

// noteServed keeps in the model's row whether a version is served anywhere: what deletes versions asks for it.
func (c *change) noteServed(number int, served bool) {
	at, known := slices.BinarySearch(c.model.Served, number)
	switch {
	case served && !known:
		c.model.Served = slices.Insert(c.model.Served, at, number)
	case !served && known:
		c.model.Served = slices.Delete(c.model.Served, at, at+1)
	}
}

// findEndpoint is where an endpoint is in the list, or belongs.
func findEndpoint(endpoints []Endpoint, name, target string) (int, bool) {
	return slices.BinarySearchFunc(endpoints, [2]string{name, target}, func(e Endpoint, key [2]string) int {
		return cmp.Or(strings.Compare(e.Name, key[0]), strings.Compare(e.Target, key[1]))
	})
}

// deployed adds the event of a deployment.
func (c *change) deployed(kind EventKind, number int, before, after *Endpoint) (*Event, error) {
	e := c.event(kind, number)
	for _, side := range []struct {
		endpoint *Endpoint
		fields   *map[string]json.RawMessage
	}{{before, &e.Before}, {after, &e.After}} {
		if side.endpoint == nil {
			continue
		}
		var err error
		if *side.fields, err = jsonFields(map[string]*Endpoint{"deployment": side.endpoint}); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// linkEndpoint records that an endpoint serves a version, behind the lineage's lock. An edge that would close a cycle is
// left out, for that a version is served is a fact: data that an endpoint collected may have trained the version.
func (c *change) linkEndpoint(endpoint Node, v *Version) ([]Edge, error) {
	ids := nodeIDs{v.Model: v.ModelID}
	fresh, err := newEdges(c.tx, []Edge{{From: endpoint, Type: Serves, To: v.Node()}}, ids)
	if errors.Is(err, ErrInvalid) || err == nil && len(fresh) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := putNodes(c.tx, []Node{endpoint}, ids); err != nil {
		return nil, err
	}
	return fresh, putEdges(c.tx, fresh, ids)
}

func (r *registry) EndDeployment(ctx context.Context, model string, number int, endpoint, target string, opts *ChangeOptions) error {
	if opts == nil {
		opts = &ChangeOptions{}
	}
	return wrap("EndDeployment", versionRef(model, number), r.endDeployment(ctx, model, number, endpoint, target, opts.Reason))
}

func (r *registry) endDeployment(ctx context.Context, model string, number int, endpoint, target, reason string) error {
	at := Endpoint{Name: endpoint, Target: target}
	if err := errors.Join(checkNumber(number), at.check()); err != nil {
		return err
	}
	return r.changeModel(ctx, model, reason, false, nil, func(c *change) error {
		v, err := c.only(number)
		if err != nil {
			return err
		}
		var endpoints []Endpoint
		if err := c.readFact(v, factEndpoints, &endpoints); err != nil {
			return err
		}
		place, known := findEndpoint(endpoints, endpoint, target)
		if !known {
			return fmt.Errorf("version %d of model %q at %v: %w", number, model, at.Node(), ErrNotFound)
		}
		ended := endpoints[place]
		endpoints = slices.Delete(endpoints, place, place+1)
		if len(endpoints) == 0 {
			c.noteServed(number, false)
			err = c.tx.Delete(tableFacts, factKey(v.ModelID, number, factEndpoints))
		} else {
			err = c.putFact(v, factEndpoints, endpoints)
		}
		if err != nil {
			return fmt.Errorf("end deployment: %w", err)
		}
		_, err = c.deployed(DeploymentEnded, number, &ended, nil)
		return err
	})
}
