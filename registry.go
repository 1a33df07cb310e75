package modelregistry

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"sync/atomic"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A Resolver finds versions and reads their files: all that a program which serves models needs.
type Resolver interface {
	// Resolve finds the version that a URI names: models:/name/3, models:/name/Production, models:/name/latest,
	// models:/name@alias, models:/name/1.2.3 and ranges such as models:/name/^1.2; see ParseURI. A digest pin
	// (…@sha256:…) that the version does not have is ErrCorrupt.
	//
	// runs:/run_id/path is what a run left under a path, without a path all of it: a Version that is not registered,
	// with neither Model nor Number, whose files are those that are there now. If the run has none under the path, but
	// has logged a model of that name, they are the model's. ErrNotFound: there are no files.
	Resolve(ctx context.Context, uri string) (*Version, error)

	// Files is the version's files. Reads use ctx, compare size and SHA-256 as they go, and fail with ErrCorrupt
	// before the last byte of a file that is not what was registered. Opening reports what is wrong; Files never does.
	Files(ctx context.Context, v *Version) fs.FS
}

// A Registry keeps models, versions, stages, aliases, lineage and history. New makes one over a Backend and Blobs.
//
// Every error is an *Error that wraps ErrNotFound, ErrExists, ErrInvalid, ErrConflict, ErrCorrupt,
// errors.ErrUnsupported, a context's error, or a fault of the storage. A call that fails has changed nothing, but for
// one case: a fault of the connection after the change was asked for may hide that it was made.
//
// It is safe for concurrent use. It is sealed so that it can grow: fakes embed a Registry, remote clients embed
// Unimplemented.
type Registry interface {
	Resolver
	ModelStore
	VersionStore
	StageStore
	LineageStore
	HistoryStore
	RunStore
	LoggedModelStore
	ArtifactStore
	WebhookStore
	OutcomeStore
	ApprovalStore
	RetentionStore
	FactStore

	// Sweep removes blobs that no version or artifact names. It is safe beside running registrations.
	Sweep(ctx context.Context, opts *SweepOptions) (*SweepReport, error)
	// As is the same registry for another actor: whose name its changes carry; "" is the operating system's user.
	As(actor string) Registry

	private()
}

// ModelStore is the part of a Registry about models.
type ModelStore interface {
	CreateModel(ctx context.Context, name string, spec ModelSpec) (*Model, error)
	Model(ctx context.Context, name string) (*Model, error)
	UpdateModel(ctx context.Context, name string, patch ModelPatch) (*Model, error)
	// RenameModel gives a model, its versions, aliases and history another name, which must be free.
	RenameModel(ctx context.Context, name, newName string, opts *ChangeOptions) (*Model, error)
	// DeleteModel deletes a model with all its versions. ErrConflict, unless forced: one of them is in Production,
	// named by an alias or deployed. Its history stays.
	DeleteModel(ctx context.Context, name string, opts *DeleteOptions) error
	SearchModels(ctx context.Context, q Query) (ModelPage, error)
	Models(ctx context.Context, q Query) iter.Seq2[*Model, error]
}

// VersionStore is the part of a Registry about versions.
type VersionStore interface {
	// Register stores the files and makes the next version of the model visible, whole or not at all. A model that is
	// not there is created.
	Register(ctx context.Context, model string, spec VersionSpec) (*Version, error)
	Version(ctx context.Context, model string, number int) (*Version, error)
	UpdateVersion(ctx context.Context, model string, number int, patch VersionPatch) (*Version, error)
	// DeleteVersion deletes one version; its number is not used again. ErrConflict, unless forced: it is in
	// Production, named by an alias or deployed.
	DeleteVersion(ctx context.Context, model string, number int, opts *DeleteOptions) error
	// CopyVersion registers the version that uri names once more, in another model or the same: same files (no byte is
	// copied), description, tags, params, metrics, run, source, signature, provenance and serving facts; no stage, alias,
	// envelope or endpoint; derived-from the original. The semantic version is kept where the target has none like it.
	// ErrCorrupt: the store has lost content of the files.
	CopyVersion(ctx context.Context, uri, toModel string, opts *ChangeOptions) (*Version, error)
	// Manifest lists the version's files in byte order of their paths.
	Manifest(ctx context.Context, v *Version) ([]File, error)
	SearchVersions(ctx context.Context, q Query) (VersionPage, error)
	Versions(ctx context.Context, q Query) iter.Seq2[*Version, error]
}

// StageStore is the part of a Registry about who is in which stage, and whom an alias names.
type StageStore interface {
	// Promote moves a version into Staging or Production and archives who held the stage, in one step. A *Refused, which
	// is an ErrConflict, says which of the Gates in Options object, and which the model requires and this Registry lacks.
	Promote(ctx context.Context, model string, number int, to Stage, opts *PromoteOptions) (*Promotion, error)
	// Transition moves a version to any stage. Like Promote it archives who holds Staging or Production, unless
	// told to keep them, and meets the same gates.
	Transition(ctx context.Context, model string, number int, to Stage, opts *TransitionOptions) (*Promotion, error)
	// Rollback undoes the last change of who holds the stage, in one step: who held it before holds it again, and who
	// holds it now is archived. Again, it goes one change further back. No gate holds it up. ErrConflict: nobody held it
	// before.
	Rollback(ctx context.Context, model string, stage Stage, opts *RollbackOptions) (*Promotion, error)
	// Plan says what Transition would do with the same arguments, and what every gate says of it, and changes nothing.
	// That a gate refuses is no error: see the plan's Err.
	Plan(ctx context.Context, model string, number int, to Stage, opts *TransitionOptions) (*Plan, error)
	// SetAlias makes alias name that version, whomever it named before; it returns that one's number, or 0. ErrConflict:
	// the alias is protected, or, with a *Refused, gates are in front of it and object, as with Promote.
	SetAlias(ctx context.Context, model, alias string, number int, opts *AliasOptions) (previous int, err error)
	// PlanAlias says what SetAlias would do with the same arguments, as Plan does.
	PlanAlias(ctx context.Context, model, alias string, number int, opts *AliasOptions) (*Plan, error)
	// DeleteAlias removes an alias and returns the number that it named. ErrNotFound: there is no such alias.
	// ErrConflict: it is protected.
	DeleteAlias(ctx context.Context, model, alias string, opts *AliasOptions) (previous int, err error)
}

// LineageStore is the part of a Registry about where things came from.
type LineageStore interface {
	// Link records edges. ErrInvalid: one would close a cycle. An edge that is there already is no error.
	Link(ctx context.Context, opts *ChangeOptions, edges ...Edge) error
	// Lineage walks up and down from a node, with at most one statement a level.
	Lineage(ctx context.Context, node Node, opts *LineageOptions) (*Graph, error)
}

// HistoryStore is the part of a Registry that looks back.
type HistoryStore interface {
	// Events yields what happened, oldest first unless q says otherwise.
	Events(ctx context.Context, q EventQuery) iter.Seq2[*Event, error]
	// Follow yields every event after the cursor in commit order, missing none, and then waits for more, until ctx ends
	// (which is not an error) or the loop is left. "" is the beginning, Cursor's is now, and that of an event which Follow
	// yielded goes on behind it. ErrInvalid: the cursor is damaged, of another registry, or of an event of Events, before
	// which another may still appear.
	Follow(ctx context.Context, cursor string) iter.Seq2[*Event, error]
	// Cursor is where to Follow from now on: what is told behind it is all that is committed after the call, and perhaps
	// what was shortly before. Who wants all that was, too, takes the cursor first, and then reads Events.
	Cursor(ctx context.Context) (string, error)
	// Verify checks a history: of the model that has the name, or had it last; with "id:" and its ID of any model that
	// ever was; or LineageHistory. It recomputes the chain of hashes of the events, compares the columns that anything is
	// found by with the documents, replays the events, and compares what they made with the rows of the model, its names,
	// its versions and its requests for approval with their votes; and it holds the chain against checkpoints, if any are
	// given. ErrCorrupt: the report says what is wrong first. It reads one snapshot, in pages: a statement for 500 events,
	// twice, one for 500 versions, one for 100 requests, and one for 20 signatures, provenances and serving facts. It does
	// not look at edges, envelopes, deployments, lists of files, or what runs left.
	Verify(ctx context.Context, model string, against ...*Checkpoint) (*VerifyReport, error)
	// VerifyAll verifies every history there is, of deleted models and of lineage too, and looks for rows that belong to
	// none. A report that has a Problem comes with an ErrCorrupt, and the next follows; without a report the error ends it.
	VerifyAll(ctx context.Context, against ...*Checkpoint) iter.Seq2[*VerifyReport, error]
	// Checkpoint is where the chains of these models' events end now, or of all histories if none is named (as for
	// Verify). Kept where whoever owns the database cannot alter it (see sign.SealCheckpoint), a later Verify against it
	// shows that no event up to it was taken away, added or rewritten.
	Checkpoint(ctx context.Context, models ...string) (*Checkpoint, error)
	// At resolves as of a time: names, stages, aliases and versions as they were then, those since deleted too.
	At(t time.Time) Resolver
}

// Options configure New. Nil means all defaults.
type Options struct {
	// Actor is the name that changes carry; "" is the operating system's user. See also Registry.As.
	Actor string
	// Now is the clock; nil is time.Now. Sweep waits by it for registrations under way: one that jumps ahead shortens those
	// waits, and what such a Sweep takes for dead is refused with ErrConflict.
	Now func() time.Time
	// PollInterval is how often Follow looks for new events; 0 is 250 ms.
	PollInterval time.Duration
	// Gates are in front of stages and aliases: all of them that are in front of the stage or alias are asked before a
	// promotion. They are the program's, and not stored: every program that promotes has to be given them. A model can
	// require them: see Requirement.
	Gates []GateRule
}

// ChangeOptions go with any change.
type ChangeOptions struct {
	Reason string // kept in the event
}

// DeleteOptions go with DeleteModel and DeleteVersion.
type DeleteOptions struct {
	Force  bool   // also what is in Production, named by an alias or deployed
	Reason string // kept in the event
}

// PromoteOptions go with Promote.
type PromoteOptions struct {
	// IfCurrent makes the promotion a compare-and-swap: it happens only if this version, alone, holds the stage
	// (0: nobody does). Otherwise it fails with a *Conflict that says who does.
	IfCurrent *int
	// Waive lets gates, by name, be passed although they refuse, each for a reason, which is kept in the event.
	Waive  map[string]string
	Reason string // kept in the event
}

// TransitionOptions go with Transition and Plan.
type TransitionOptions struct {
	IfCurrent *int // see PromoteOptions
	// Keep lets those who hold the stage stay in it.
	Keep   bool
	Waive  map[string]string // see PromoteOptions
	Reason string            // kept in the event
}

// RollbackOptions go with Rollback.
type RollbackOptions struct {
	IfCurrent *int   // see PromoteOptions
	Reason    string // kept in the event
}

// AliasOptions go with SetAlias and DeleteAlias.
type AliasOptions struct {
	// IfCurrent makes the change a compare-and-swap: it happens only if the alias names this version (0: none).
	// Otherwise it fails with a *Conflict that says which it names.
	IfCurrent *int
	Waive     map[string]string // see PromoteOptions; of SetAlias and PlanAlias
	Reason    string            // kept in the event
}

// A Promotion is what a change of stage did.
type Promotion struct {
	Version   *Version   // that was moved into the stage; as it is now
	Displaced []*Version // that were archived for it, ascending; as they are now
}

type registry struct {
	backend  backend.Backend
	memo     backend.Memoizer // the backend, if it is one
	blobs    Blobs
	actor    string
	clock    func() time.Time
	poll     time.Duration
	gates    []GateRule
	identity *identity
	// hasDefault: the default experiment's row is known to be there.
	hasDefault *atomic.Bool
}

var _ Registry = (*registry)(nil)

// New makes a Registry over a backend for its rows and blobs for its files. It creates or upgrades the backend's tables;
// a store of a newer format can be read and not changed. The caller closes the backend and the blobs. blobs may be
// nil where no version has files.
func New(ctx context.Context, b backend.Backend, blobs Blobs, opts *Options) (Registry, error) {
	if opts == nil {
		opts = &Options{}
	}
	if b == nil {
		return nil, &Error{Op: "New", Err: fmt.Errorf("%w: no backend; open one, such as memory.New() or sqlite.Open", ErrInvalid)}
	}
	r := &registry{backend: b, blobs: blobs, actor: opts.Actor, clock: opts.Now, poll: opts.PollInterval, hasDefault: new(atomic.Bool), identity: new(identity)}
	r.memo, _ = b.(backend.Memoizer)
	if r.actor == "" {
		r.actor = osUser()
	}
	if r.clock == nil {
		r.clock = time.Now
	}
	if r.poll <= 0 {
		r.poll = 250 * time.Millisecond
	}
	if err := checkName("actor", r.actor, maxActor); err != nil {
		return nil, &Error{Op: "New", Err: err}
	}
	var err error
	if r.gates, err = checkGates(opts.Gates); err != nil {
		return nil, &Error{Op: "New", Err: err}
	}
	if err := b.Declare(ctx, schema()); err != nil {
		return nil, &Error{Op: "New", Err: err}
	}
	return r, nil
}

func (r *registry) private() {}

func (r *registry) As(actor string) Registry {
	other := *r
	if other.actor = actor; actor == "" {
		other.actor = osUser()
	}
	return &other
}

// now is the present in the precision that is stored.
func (r *registry) now() time.Time { return r.clock().UTC().Truncate(time.Microsecond) }
