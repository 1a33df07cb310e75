package modelregistry

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A SmallBump is why a semantic version was refused: it does not go as far as the change of the signature. It is an
// ErrInvalid.
type SmallBump struct {
	Model   string
	Asked   Semver // what the version would have been
	Base    Semver // the newest release before it that has a signature
	Number  int    // of the version that is Base
	Need    Bump   // what the change needs
	Least   Semver // what that comes to
	Changes SignatureDiff
}

func (e *SmallBump) Error() string {
	what := "changes that of"
	if e.Changes.Breaking() {
		what = "breaks callers of"
	}
	const most = 3
	var changes []string
	for _, c := range e.Changes {
		if (c.Breaking || !e.Changes.Breaking()) && len(changes) < most {
			changes = append(changes, fmt.Sprintf("%s: %.200s", c.Part, c.Text))
		}
	}
	if n := len(e.Changes) - len(changes); n > 0 {
		changes = append(changes, fmt.Sprintf("and %d more", n))
	}
	return fmt.Sprintf("semantic version %v of model %q: %v: the signature %s version %d (%v), which needs a %s bump, %v or above (or AllowSmallBump and a reason): %s",
		e.Asked, e.Model, ErrInvalid, what, e.Number, e.Base, e.Need, e.Least, strings.Join(changes, "; "))
}

// Is makes errors.Is(err, ErrInvalid) true.
func (e *SmallBump) Is(target error) bool { return target == ErrInvalid }

// needs is the part of a semantic version that a change of the signature moves. Below 1.0.0 each part counts one step
// more, as ^0.2 ends at 0.3.
func (v Semver) needs(change SignatureDiff) Bump {
	b := change.Bump()
	switch {
	case v.Major > 0:
		return b
	case b == BumpMajor:
		return BumpMinor
	}
	return BumpPatch
}

// A baseline is a release whose signature a new version is measured by.
type baseline struct {
	semver    Semver
	number    int
	signature *Signature
}

// baseline is the highest release that has a signature, below a semantic version if that is not zero; nil if there is
// none. Prereleases promise nothing, and are none.
func (c *change) baseline(below Semver) (*baseline, error) {
	q := backend.Query{Table: tableFacts, Order: "semver", Desc: true, Limit: 1, Where: []backend.Cond{
		{Field: "model_id", Value: backend.StringValue(c.model.ID)},
		{Field: "kind", Value: backend.StringValue(factSignature)},
		{Field: "semver", Op: backend.Gt, Value: backend.StringValue("")},
	}}
	if !below.IsZero() {
		q.Where = append(q.Where, backend.Cond{Field: "semver", Op: backend.Lt, Value: backend.StringValue(below.SortKey())})
	}
	rows, err := c.tx.Find(q)
	if err != nil {
		return nil, fmt.Errorf("look up signature: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	f, err := decodeFactRow(rows[0])
	if err != nil {
		return nil, err
	}
	b := &baseline{semver: f.Semver, number: int(rows[0].Key[1].Int())}
	if err := json.Unmarshal(f.Fact, &b.signature); err != nil {
		return nil, fmt.Errorf("signature of version %d: %w: %w", b.number, ErrCorrupt, err)
	}
	return b, nil
}

// autoBump is what the change of the signature asks for.
func (c *change) autoBump(signature *Signature) (Bump, error) {
	if signature == nil {
		return BumpPatch, nil
	}
	base, err := c.baseline(Semver{})
	if err != nil || base == nil {
		return BumpPatch, err
	}
	return c.model.Semver.needs(base.signature.Diff(signature)), nil
}

// checkBump refuses a semantic version that does not go as far as the signature does from the release below it. If that
// is allowed it returns what was needed, for the history.
func (c *change) checkBump(asked Semver, spec *VersionSpec) (overridden Bump, err error) {
	if spec.Signature == nil || c.isNew {
		return "", nil
	}
	base, err := c.baseline(asked)
	if err != nil || base == nil {
		return "", err
	}
	changes := base.signature.Diff(spec.Signature)
	need := base.semver.needs(changes)
	least, err := base.semver.Bump(need)
	if err != nil {
		return "", err
	}
	core := Semver{Major: asked.Major, Minor: asked.Minor, Patch: asked.Patch}
	if len(changes) == 0 || core.Compare(least) >= 0 {
		return "", nil
	}
	if spec.AllowSmallBump {
		return need, nil
	}
	return "", &SmallBump{Model: c.model.Name, Asked: asked, Base: base.semver, Number: base.number, Need: need, Least: least, Changes: changes}
}
