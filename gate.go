package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A Gate decides whether a version may come into Staging or Production, or be named by an alias. Ready-made ones are MetricAtLeast, FilesVerified,
// Approvals and the like; a GateFunc makes one of a function. One that was made with arguments that make no sense says so
// in a method Invalid() error: New then refuses it.
type Gate interface {
	// Check judges one promotion. It is called inside its transaction, while the model is locked and before anything
	// has changed, so that what it judges is what is promoted. It is quick, asks nothing but view, and may be called
	// again for the same promotion; slow work belongs into the Prepare of a Preparer. That the version is not good
	// enough is a Verdict: see Pass and Refuse. An error is a fault, and the promotion fails with it.
	Check(ctx context.Context, view *GateView) (Verdict, error)
}

// A Preparer is a Gate with slow work to do, such as reading files.
type Preparer interface {
	Gate
	// Prepare is called before the promotion's transaction. What it returns is the view's Prepared when Check is
	// called, for the same version with the same files.
	Prepare(ctx context.Context, files Resolver, candidate *Version) (any, error)
}

// A GateFunc is a Gate of one function. Its GateRule needs a Name.
type GateFunc func(ctx context.Context, view *GateView) (Verdict, error)

// Check calls f.
func (f GateFunc) Check(ctx context.Context, view *GateView) (Verdict, error) { return f(ctx, view) }

// A GateRule puts a gate in front of stages, or of an alias. It holds for every Promote, Transition and SetAlias, and for
// every request that is approved, which brings a version into the stage or under the alias through this Registry; it is not
// stored. So that programs without the gate do not pass either, a model can require it by its name: see Requirement. Register
// gives no version an alias that a gate is in front of. Not held up are Rollback, which is the emergency exit, and changes
// that make nobody a holder, such as DeleteAlias; aliases can be protected from those: see ModelPatch.
type GateRule struct {
	// Model is its exact name; "" is every model. Through this Registry the model cannot be renamed, nor another given its
	// name: that would be a way round the gate.
	Model string
	Stage Stage // Staging or Production; "" is both, or neither if there is an Alias
	// Alias, instead of Stage, is the name of the alias that the gate is in front of.
	Alias string
	// Name is what verdicts and waivers call the gate. "" is what its String method says; one without needs a Name.
	// No two gates in front of one stage or alias of one model have the same.
	Name string
	Gate Gate
}

// A Verdict is what a gate says of a promotion. See Pass and Refuse.
type Verdict struct {
	Gate   string `json:"gate"` // its name; filled in by the registry
	Passed bool   `json:"passed"`
	Reason string `json:"reason,omitempty"`
	// Missing says that the model requires the gate, and the program has none of that name: nobody was asked. It cannot be
	// waived.
	Missing bool `json:"missing,omitempty"`
	// Waiver is why the promotion went on although the gate refused it, and WaivedBy who said so.
	Waiver   string `json:"waiver,omitempty"`
	WaivedBy string `json:"waived_by,omitempty"`
}

// Pass is the verdict of a gate that has no objection. The reason is kept in the history.
func Pass(format string, args ...any) Verdict {
	return Verdict{Passed: true, Reason: fmt.Sprintf(format, args...)}
}

// Refuse is the verdict of a gate that objects. The reason is for who promotes: what is wrong, and what would be right.
func Refuse(format string, args ...any) Verdict {
	return Verdict{Reason: fmt.Sprintf(format, args...)}
}

// refuses says whether v keeps the version out.
func (v Verdict) refuses() bool { return !v.Passed && v.Waiver == "" }

// String tells the verdict in a line: "accuracy >= 0.95: passed: it is 0.97".
func (v Verdict) String() string {
	text := v.Gate + ": refused"
	if v.Passed {
		text = v.Gate + ": passed"
	}
	if v.Reason != "" {
		text += ": " + v.Reason
	}
	if v.Waiver != "" {
		text += "; waived by " + v.WaivedBy + ": " + v.Waiver
	}
	return text
}

// A GateView is what a gate sees of a promotion: one consistent state, from which the promotion will be made. Tests of
// gates can make their own from its fields; the methods of such a view answer errors.ErrUnsupported.
type GateView struct {
	Candidate *Version // to be promoted; as it is now
	Incumbent *Version // the highest other version that holds the stage, or has the alias; nil if there is none
	Stage     Stage    // that it is to come into: Staging or Production; "" if it is about an alias
	Alias     string   // that is to name it; "" if it is about a stage
	Actor     string   // who promotes; with a Request, who asked for it
	Reason    string
	Time      time.Time
	// Request is the request that this promotion comes from, or would: approved, or not yet while it is being made. Nil: it
	// comes from Promote, Transition or SetAlias.
	Request  *Request
	Prepared any // what the gate's Prepare returned; nil if it is no Preparer

	source *viewSource
}

// A viewSource is where the views of one promotion read.
type viewSource struct {
	tx      backend.Reader
	modelID string
	numbers []int          // of the candidate and the incumbent
	facts   map[int]*Facts // of those; nil until a gate asks
}

// Facts are what is known of the candidate or the incumbent, which all gates share: they are not to be changed. They cost
// one statement, however many gates ask.
func (view *GateView) Facts(v *Version) (*Facts, error) {
	s := view.source
	if s == nil {
		return nil, fmt.Errorf("facts: %w by this view", errors.ErrUnsupported)
	}
	if s.facts == nil {
		facts, err := s.readFacts()
		if err != nil {
			return nil, err
		}
		s.facts = facts
	}
	facts, ok := s.facts[v.Number]
	if !ok {
		return nil, fmt.Errorf("facts of version %d: %w: a view has those of the candidate and the incumbent", v.Number, ErrInvalid)
	}
	return facts, nil
}

func (s *viewSource) readFacts() (map[int]*Facts, error) {
	facts := map[int]*Facts{}
	values := make([]backend.Value, len(s.numbers))
	for i, n := range s.numbers {
		facts[n] = &Facts{Digests: map[string]string{}}
		values[i] = backend.IntValue(int64(n))
	}
	slices.SortFunc(values, backend.Value.Compare)
	rows, err := s.tx.Find(backend.Query{Table: tableFacts, Where: []backend.Cond{
		{Field: "model_id", Value: backend.StringValue(s.modelID)},
		{Field: "number", Op: backend.In, Values: values},
	}})
	if err != nil {
		return nil, fmt.Errorf("read facts: %w", err)
	}
	for _, row := range rows {
		if err := facts[int(row.Key[1].Int())].add(row); err != nil {
			return nil, err
		}
	}
	return facts, nil
}

// Events yields what happened to the candidate, newest first; each 500 are a statement.
func (view *GateView) Events() iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		if view.source == nil {
			yield(nil, fmt.Errorf("history: %w by this view", errors.ErrUnsupported))
			return
		}
		q := backend.Query{Table: tableEvents, Desc: true, Limit: eventPage, Where: []backend.Cond{
			{Field: "model_id", Value: backend.StringValue(view.source.modelID)},
			{Field: "version", Value: backend.IntValue(int64(view.Candidate.Number))},
		}}
		for e, err := range events(view.source.tx.Find, q) {
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Manifest lists the files of a version, which costs a statement, and another for some thousand files.
func (view *GateView) Manifest(v *Version) ([]File, error) {
	if v.Digest == "" {
		return nil, nil
	}
	if view.source == nil {
		return nil, fmt.Errorf("list of files: %w by this view", errors.ErrUnsupported)
	}
	files, err := readManifest(view.source.tx.Find, v.Digest)
	if errors.Is(err, backend.ErrNotFound) {
		return nil, fmt.Errorf("list of files %s: %w: it is lost", v.Digest, ErrCorrupt)
	}
	return files, err
}

// Refused is an ErrConflict of a promotion that a gate refuses. Nothing has changed, and the history does not tell of it.
// Promoting again is of use when what the gates ask for is there, or with a waiver.
type Refused struct {
	Model    string
	Version  int
	Stage    Stage     // "" if it is about an alias
	Alias    string    // "" if it is about a stage
	Verdicts []Verdict // of all gates, also those that passed
}

func (r *Refused) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "version %d of model %.100q may not ", r.Version, r.Model)
	if r.Alias != "" {
		fmt.Fprintf(&b, "have the alias %.100q", r.Alias)
	} else {
		fmt.Fprintf(&b, "come into %s", r.Stage)
	}
	told, refusals := 0, 0
	for _, v := range r.Verdicts {
		if !v.refuses() {
			continue
		}
		if refusals++; told < 4 {
			told++
			fmt.Fprintf(&b, "; %.100s: %.200s", v.Gate, v.Reason)
		}
	}
	if refusals > told {
		fmt.Fprintf(&b, "; and %d more gates refuse", refusals-told)
	}
	return b.String()
}

// Is makes errors.Is(err, ErrConflict) true.
func (r *Refused) Is(target error) bool { return target == ErrConflict }
