package crashtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"

	"github.com/modelregistry-go/modelregistry"
)

// loadVariable is the environment variable by which the test binary is a load, and which one.
const loadVariable = "MODELREGISTRY_CRASHTEST_LOAD"

// load is what a child does to a store.
type load struct {
	Store   location
	Seed    uint64
	Workers int
	// Ops is how many operations each worker does before the child waits to be ended; 0 is no end.
	Ops int
	// Sweep: the child also runs one Sweep after the other.
	Sweep bool
}

type kind string

const (
	register      kind = "register"
	promote       kind = "promote"
	rollback      kind = "rollback"
	setAlias      kind = "set alias"
	deleteAlias   kind = "delete alias"
	deleteVersion kind = "delete version"
)

// operation is a call of the registry.
type operation struct {
	Kind    kind
	Model   string
	Number  int                 `json:",omitempty"`
	Stage   modelregistry.Stage `json:",omitempty"`
	Alias   string              `json:",omitempty"`
	Content uint64              `json:",omitempty"` // of the files to register; 0 is none
}

// outcome is what a call returned.
type outcome struct {
	Number  int    `json:",omitempty"` // of the version that was registered, or rolled back to
	Refused bool   `json:",omitempty"` // it could not be done, for a good reason
	Error   string `json:",omitempty"`
}

// message is a line that a child prints.
type message struct {
	Ready  bool       `json:",omitempty"` // the store is open
	Idle   bool       `json:",omitempty"` // all operations have been done
	Worker int        `json:",omitempty"`
	Begin  *operation `json:",omitempty"` // what the worker does next
	End    *outcome   `json:",omitempty"` // of what it began last
}

// Each worker has a model that nobody else changes, so that it is known what state it has to be in. All share another.
func ownModel(worker int) string { return "worker-" + strconv.Itoa(worker) }

const sharedModel = "shared"

func runLoad(config string) error {
	var l load
	if err := json.Unmarshal([]byte(config), &l); err != nil {
		return fmt.Errorf("%s: %w", loadVariable, err)
	}
	go func() { // the parent holds the other end, so this ends with it
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	ctx := context.Background()
	s, err := l.Store.open(ctx)
	if err != nil {
		return err
	}
	say(message{Ready: true})
	var wg sync.WaitGroup
	for i := range l.Workers {
		w := &worker{r: s.r, id: i, choice: rand.New(rand.NewPCG(l.Seed, uint64(i)))}
		wg.Go(func() { w.run(ctx, l.Ops) })
	}
	if l.Sweep {
		wg.Go(func() {
			for {
				if _, err := s.r.Sweep(ctx, &modelregistry.SweepOptions{MinAge: -1}); err != nil {
					say(message{Worker: -1, End: &outcome{Error: err.Error()}})
					return
				}
			}
		})
	}
	wg.Wait()
	say(message{Idle: true})
	select {} // until the parent ends it, with the store open
}

// say prints a line with one write, which a pipe takes whole or not at all.
func say(m message) {
	line, err := json.Marshal(m)
	if err == nil {
		_, err = os.Stdout.Write(append(line, '\n'))
	}
	if err != nil {
		os.Exit(2) // nobody listens any more
	}
}

// worker does one operation after the other.
type worker struct {
	r      modelregistry.Registry
	id     int
	choice *rand.Rand
	live   []int // versions of its own model
	shared int   // the version of the shared model that it registered last, or 0
}

func (w *worker) run(ctx context.Context, ops int) {
	s, _, err := readState(ctx, w.r, ownModel(w.id))
	if err != nil {
		say(message{Worker: w.id, End: &outcome{Error: err.Error()}})
		return
	}
	for n := range s.Versions {
		w.live = append(w.live, n)
	}
	slices.Sort(w.live)
	for i := 0; ops == 0 || i < ops; i++ {
		op := w.choose()
		say(message{Worker: w.id, Begin: &op})
		out := w.do(ctx, op)
		say(message{Worker: w.id, End: &out})
		if out.Error != "" {
			return
		}
	}
}

func (w *worker) choose() operation {
	op := operation{Kind: register, Model: ownModel(w.id)}
	pick := func() int { return w.live[w.choice.IntN(len(w.live))] }
	stage := []modelregistry.Stage{modelregistry.Staging, modelregistry.Production}[w.choice.IntN(2)]
	alias := []string{"champion", "challenger", "shadow"}[w.choice.IntN(3)]
	p := w.choice.IntN(100)
	switch {
	case p < 8:
		op.Model = sharedModel
	case p < 14 && w.shared != 0:
		return operation{Kind: promote, Model: sharedModel, Number: w.shared, Stage: modelregistry.Production}
	case p < 50 || len(w.live) == 0:
		if w.choice.IntN(4) == 0 {
			op.Alias = alias
		}
	case p < 70:
		op.Kind, op.Number, op.Stage = promote, pick(), stage
		return op
	case p < 80:
		op.Kind, op.Stage = rollback, stage
		return op
	case p < 88:
		op.Kind, op.Number, op.Alias = setAlias, pick(), alias
		return op
	case p < 92:
		op.Kind, op.Alias = deleteAlias, alias
		return op
	default:
		op.Kind, op.Number = deleteVersion, pick()
		if w.choice.IntN(2) == 0 {
			op.Number = w.live[len(w.live)-1] // whose number must not come again
		}
		return op
	}
	if w.choice.IntN(8) > 0 {
		op.Content = w.choice.Uint64() | 1
	}
	return op
}

func (w *worker) do(ctx context.Context, op operation) outcome {
	var out outcome
	var err error
	switch op.Kind {
	case register:
		out.Number, err = registerContent(ctx, w.r, op)
	case promote:
		_, err = w.r.Promote(ctx, op.Model, op.Number, op.Stage, nil)
	case rollback:
		var p *modelregistry.Promotion
		if p, err = w.r.Rollback(ctx, op.Model, op.Stage, nil); err == nil {
			out.Number = p.Version.Number
		}
		out.Refused = errors.Is(err, modelregistry.ErrConflict) // nobody held the stage before
	case setAlias:
		_, err = w.r.SetAlias(ctx, op.Model, op.Alias, op.Number, nil)
	case deleteAlias:
		_, err = w.r.DeleteAlias(ctx, op.Model, op.Alias, nil)
		out.Refused = errors.Is(err, modelregistry.ErrNotFound)
	case deleteVersion:
		err = w.r.DeleteVersion(ctx, op.Model, op.Number, &modelregistry.DeleteOptions{Force: true})
	}
	if err != nil && !out.Refused {
		out.Error = err.Error()
		return out
	}
	switch {
	case op.Kind == register && op.Model == sharedModel:
		w.shared = out.Number
	case op.Kind == register:
		w.live = append(w.live, out.Number)
	case op.Kind == deleteVersion:
		w.live = slices.DeleteFunc(w.live, func(n int) bool { return n == op.Number })
	}
	return out
}

// registerContent registers a version that says what its files have to be.
func registerContent(ctx context.Context, r modelregistry.Registry, op operation) (int, error) {
	spec := modelregistry.VersionSpec{Params: map[string]string{"content": strconv.FormatUint(op.Content, 10)}}
	if op.Content != 0 {
		spec.Files = files(op.Content)
	}
	if op.Alias != "" {
		spec.Aliases = []string{op.Alias}
	}
	v, err := r.Register(ctx, op.Model, spec)
	if err != nil {
		return 0, err
	}
	return v.Number, nil
}
