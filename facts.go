package modelregistry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// FactStore is the part of a Registry about what is known of a version besides its description: what it takes and
// returns, how it was made, how it is served, who vouches for it, and where it runs.
type FactStore interface {
	// Facts returns what is known of a version, in one statement. A version of which nothing is known has empty facts.
	Facts(ctx context.Context, v *Version) (*Facts, error)
	// AddEnvelope keeps a signed statement with a version; that it is there already is no error. The registry does not
	// look inside: package sign makes and verifies them. ErrConflict: the version is not the one that v was.
	// An envelope has at most 64 KiB and 8 signatures, a version 100 envelopes, and one actor adds at most 25 of them:
	// beyond that is an ErrConflict too, until some are removed.
	AddEnvelope(ctx context.Context, v *Version, e Envelope, opts *ChangeOptions) error
	// RemoveEnvelope takes away an envelope, as Facts has it; what it was is told by its digest in the history. It takes a
	// Reason: the version may be trusted no more. ErrNotFound: the version has no such envelope.
	RemoveEnvelope(ctx context.Context, v *Version, e Envelope, opts *ChangeOptions) error
	// RecordDeployment records that a version is served at an endpoint, or with what share of the traffic from now
	// on. In the lineage the endpoint then serves the version.
	RecordDeployment(ctx context.Context, model string, number int, at Endpoint, opts *ChangeOptions) error
	// EndDeployment records that a version is no longer served at an endpoint. ErrNotFound: it was not.
	EndDeployment(ctx context.Context, model string, number int, endpoint, target string, opts *ChangeOptions) error
}

// Facts are what is known of a version.
type Facts struct {
	Signature  *Signature  // nil if it was registered without
	Provenance *Provenance // nil if it was registered without
	Serving    *Serving    // nil if it was registered without
	Envelopes  []Envelope  // the signed statements about it, oldest first
	Endpoints  []Endpoint  // where it is served now, by name and target; where it was is in the history
	// Digests are the SHA-256 of the stored signature, provenance and serving facts, by those words: "sha256:…". The
	// event of the registration has them too.
	Digests map[string]string
}

// The kinds of row in the table of facts. Those that a version is registered with never change.
const (
	factSignature  = "signature"
	factProvenance = "provenance"
	factServing    = "serving"
	factEnvelopes  = "envelopes"
	factEndpoints  = "endpoints"
)

// givenFacts are the kinds that a version is registered with.
var givenFacts = [...]string{factSignature, factProvenance, factServing}

const (
	maxFact      = 1<<20 - 4096 // bytes of a fact's JSON; backends take documents of 1 MiB
	maxEndpoints = 1000
)

// A factRow is the document of a row of facts.
type factRow struct {
	Fact   json.RawMessage `json:"fact"`
	Semver Semver          `json:"semver,omitzero"` // of the version, for a signature
}

func factKey(modelID string, number int, kind string) backend.Key {
	return backend.Key{backend.StringValue(modelID), backend.IntValue(int64(number)), backend.StringValue(kind)}
}

func digestFact(fact []byte) string {
	sum := sha256.Sum256(fact)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (v *Version) factRow(kind string, fact []byte) (backend.Row, error) {
	f := factRow{Fact: fact}
	sortKey := ""
	if kind == factSignature {
		if f.Semver = v.Semver; v.Semver.Prerelease == "" {
			sortKey = v.Semver.SortKey()
		}
	}
	doc, err := json.Marshal(f)
	if err != nil {
		return backend.Row{}, fmt.Errorf("encode %s: %w", kind, err)
	}
	return backend.Row{Key: factKey(v.ModelID, v.Number, kind), Doc: doc, Fields: map[string]any{"semver": backend.StringValue(sortKey)}}, nil
}

func decodeFactRow(row backend.Row) (f factRow, err error) {
	if err := json.Unmarshal(row.Doc, &f); err != nil {
		return f, fmt.Errorf("row of facts %v: %w: %w", row.Key, ErrCorrupt, err)
	}
	return f, nil
}

// facts checks and encodes what a version is to be registered with, by kind.
func (spec *VersionSpec) facts() (map[string][]byte, error) {
	given := map[string]any{}
	if spec.Signature != nil {
		if err := spec.Signature.Check(); err != nil {
			return nil, err
		}
		given[factSignature] = spec.Signature
	}
	if spec.Provenance != nil {
		clean := spec.Provenance.clean()
		if err := clean.check(); err != nil {
			return nil, err
		}
		given[factProvenance] = clean
	}
	if spec.Serving != nil {
		if err := spec.Serving.Check(); err != nil {
			return nil, err
		}
		given[factServing] = spec.Serving
	}
	encoded := make(map[string][]byte, len(given))
	for kind, fact := range given {
		text, err := json.Marshal(fact)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", kind, err)
		}
		if len(text) > maxFact {
			return nil, fmt.Errorf("%s: %w: %d bytes, at most %d", kind, ErrInvalid, len(text), maxFact)
		}
		encoded[kind] = text
	}
	return encoded, nil
}

// addFacts writes what a new version is registered with, and returns the digests for its event.
func (c *change) addFacts(v *Version, facts map[string][]byte) (map[string]string, error) {
	if len(facts) == 0 {
		return nil, nil
	}
	digests := make(map[string]string, len(facts))
	rows := make([]backend.Row, 0, len(facts))
	for _, kind := range slices.Sorted(maps.Keys(facts)) {
		row, err := v.factRow(kind, facts[kind])
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
		digests[kind] = digestFact(facts[kind])
	}
	if err := c.tx.Insert(tableFacts, rows...); err != nil {
		return nil, fmt.Errorf("write facts: %w", err)
	}
	return digests, nil
}

// copyFacts reads what a version was registered with, for a copy of it. What was signed or deployed was not the copy.
func (c *change) copyFacts(src *Version) (map[string][]byte, error) {
	rows, err := findFacts(c.tx.Find, src.ModelID, src.Number)
	if err != nil {
		return nil, err
	}
	facts := map[string][]byte{}
	for _, row := range rows {
		kind := row.Key[2].Str()
		if !slices.Contains(givenFacts[:], kind) {
			continue
		}
		f, err := decodeFactRow(row)
		if err != nil {
			return nil, err
		}
		facts[kind] = f.Fact
	}
	return facts, nil
}

// deleteFacts removes all facts of versions.
func (c *change) deleteFacts(numbers ...int) error {
	var keys []backend.Key
	for _, number := range numbers {
		for _, kind := range []string{factSignature, factProvenance, factServing, factEnvelopes, factEndpoints} {
			keys = append(keys, factKey(c.model.ID, number, kind))
		}
	}
	if err := c.tx.Delete(tableFacts, keys...); err != nil {
		return fmt.Errorf("delete facts: %w", err)
	}
	return nil
}

func findFacts(find func(backend.Query) ([]backend.Row, error), modelID string, number int) ([]backend.Row, error) {
	rows, err := find(backend.Query{Table: tableFacts, Where: []backend.Cond{
		{Field: "model_id", Value: backend.StringValue(modelID)},
		{Field: "number", Value: backend.IntValue(int64(number))},
	}})
	if err != nil {
		return nil, fmt.Errorf("read facts: %w", err)
	}
	return rows, nil
}

func (r *registry) Facts(ctx context.Context, v *Version) (*Facts, error) {
	if err := checkGiven(v); err != nil {
		return nil, wrap("Facts", v.Ref(), err)
	}
	f, err := readFacts(r.find(ctx), v)
	return f, wrap("Facts", v.Ref(), err)
}

// errHandMade refuses a version that names no model's ID: nothing is kept under it, and nothing is not the answer.
func errHandMade(v *Version) error {
	return fmt.Errorf("version %d of model %q: %w: it has no ModelID; take the version from Version or Resolve", v.Number, v.Model, ErrInvalid)
}

// readFacts reads the facts of a version, in one query.
func readFacts(find func(backend.Query) ([]backend.Row, error), v *Version) (*Facts, error) {
	facts := &Facts{Digests: map[string]string{}}
	if v.Number == 0 {
		return facts, nil // what a run left
	}
	if err := errors.Join(checkNumber(v.Number), checkText("model ID", v.ModelID, maxKey)); err != nil {
		return nil, err
	}
	if v.ModelID == "" {
		return nil, errHandMade(v)
	}
	rows, err := findFacts(find, v.ModelID, v.Number)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if err := facts.add(row); err != nil {
			return nil, err
		}
	}
	return facts, nil
}

func (f *Facts) add(row backend.Row) error {
	r, err := decodeFactRow(row)
	if err != nil {
		return err
	}
	kind := row.Key[2].Str()
	var into any
	switch kind {
	case factSignature:
		into = &f.Signature
	case factProvenance:
		into = &f.Provenance
	case factServing:
		into = &f.Serving
	case factEnvelopes:
		if err := f.addEnvelopes(r.Fact); err != nil {
			return fmt.Errorf("%s of version %d: %w: %w", kind, row.Key[1].Int(), ErrCorrupt, err)
		}
		return nil
	case factEndpoints:
		into = &f.Endpoints
	default:
		return nil // of a later version of this library
	}
	if err := json.Unmarshal(r.Fact, into); err != nil {
		return fmt.Errorf("%s of version %d: %w: %w", kind, row.Key[1].Int(), ErrCorrupt, err)
	}
	if slices.Contains(givenFacts[:], kind) {
		f.Digests[kind] = digestFact(r.Fact)
	}
	return nil
}

// readFact reads a fact of one kind that changes; that there is none leaves into as it is.
func (c *change) readFact(v *Version, kind string, into any) error {
	row, err := c.tx.Get(tableFacts, factKey(v.ModelID, v.Number, kind)...)
	if errors.Is(err, backend.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", kind, err)
	}
	f, err := decodeFactRow(row)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(f.Fact, into); err != nil {
		return fmt.Errorf("%s of version %d: %w: %w", kind, v.Number, ErrCorrupt, err)
	}
	return nil
}

func (c *change) putFact(v *Version, kind string, fact any) error {
	text, err := json.Marshal(fact)
	if err != nil {
		return fmt.Errorf("encode %s: %w", kind, err)
	}
	if len(text) > maxFact {
		return fmt.Errorf("%s: %w: %d bytes in all, at most %d", kind, ErrInvalid, len(text), maxFact)
	}
	row, err := v.factRow(kind, text)
	if err != nil {
		return err
	}
	if err := c.tx.Put(tableFacts, row); err != nil {
		return fmt.Errorf("write %s: %w", kind, err)
	}
	return nil
}

// only loads one version.
func (c *change) only(number int) (*Version, error) {
	if err := c.load(number); err != nil {
		return nil, err
	}
	return c.version(number)
}

// micro is t as it is stored.
func micro(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
