package lineartest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/modelregistry-go/modelregistry"
)

// A crowd is clients that call a registry at random, all at once.
type crowd struct {
	Clients int
	First   int // the ID of the first client
	Calls   int // of each
	Models  []string
	Seed    uint64
}

// An entry is an operation of a history, in a form that goes from process to process.
type entry struct {
	Client       int
	Call, Return int64 // nanoseconds since 1970
	In           input
	Out          output
}

// run lets the clients loose and returns what happened.
func (c crowd) run(ctx context.Context, r modelregistry.Registry) ([]entry, error) {
	// One reading of the wall clock, and from there on the monotonic one: within a process times never go back, and
	// processes of one machine agree.
	wall := time.Now()
	now := func() int64 { return wall.UnixNano() + int64(time.Since(wall)) }
	histories := make([][]entry, c.Clients)
	errs := make([]error, c.Clients)
	var wg sync.WaitGroup
	for i := range c.Clients {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(c.Seed, uint64(c.First+i)))
			for range c.Calls {
				e := entry{Client: c.First + i, In: c.pick(rnd, histories[i])}
				e.Call = now()
				e.Out, errs[i] = call(ctx, r, e.In)
				e.Return = now()
				if errs[i] != nil {
					errs[i] = fmt.Errorf("client %d, %+v: %w", e.Client, e.In, errs[i])
					return
				}
				histories[i] = append(histories[i], e)
			}
		})
	}
	wg.Wait()
	var all []entry
	for _, h := range histories {
		all = append(all, h...)
	}
	return all, errors.Join(errs...)
}

// pick makes up a call. What a compare-and-swap expects is what the client saw last, so that some succeed.
func (c crowd) pick(rnd *rand.Rand, seen []entry) input {
	in := input{Model: c.Models[rnd.IntN(len(c.Models))], Expect: -1}
	highest, holder, alias := 0, 0, 0
	for _, e := range seen[max(0, len(seen)-20):] {
		if e.In.Model != in.Model || e.Out.Missing {
			continue
		}
		switch {
		case e.In.Kind == register, e.In.Kind == latest:
			highest = max(highest, e.Out.Number)
		case e.In.Kind == production, e.In.Kind == promote && e.Out.Conflict:
			holder = e.Out.Number
		case e.In.Kind == promote:
			holder = e.In.Number
		case e.In.Kind == champion, e.Out.Conflict:
			alias = e.Out.Number
		default:
			alias = e.In.Number
		}
	}
	in.Number = 1 + rnd.IntN(highest+2)
	switch rnd.IntN(10) {
	case 0, 1:
		in.Kind, in.Number = register, 0
	case 2:
		in.Kind = promote
	case 3:
		in.Kind, in.Expect = promote, holder
	case 4, 5:
		in.Kind, in.Expect = setAlias, alias
	case 6:
		in.Kind = setAlias
	case 7:
		in.Kind, in.Number = production, 0
	case 8:
		in.Kind, in.Number = champion, 0
	default:
		in.Kind, in.Number = latest, 0
	}
	return in
}

// call makes one call. Errors that are answers become an output; any other is a fault, and there are none here.
func call(ctx context.Context, r modelregistry.Registry, in input) (out output, err error) {
	var expect *int
	if in.Expect >= 0 {
		expect = &in.Expect
	}
	var v *modelregistry.Version
	switch in.Kind {
	case register:
		v, err = r.Register(ctx, in.Model, modelregistry.VersionSpec{})
	case promote:
		var p *modelregistry.Promotion
		p, err = r.Promote(ctx, in.Model, in.Number, modelregistry.Production, &modelregistry.PromoteOptions{IfCurrent: expect})
		if err == nil && len(p.Displaced) > 0 {
			v = p.Displaced[0]
		}
		if err == nil && len(p.Displaced) > 1 {
			return out, fmt.Errorf("%d versions were in Production", len(p.Displaced))
		}
	case setAlias:
		out.Number, err = r.SetAlias(ctx, in.Model, "champion", in.Number, &modelregistry.AliasOptions{IfCurrent: expect})
	case production:
		v, err = r.Resolve(ctx, "models:/"+in.Model+"/Production")
	case champion:
		v, err = r.Resolve(ctx, "models:/"+in.Model+"@champion")
	case latest:
		v, err = r.Resolve(ctx, "models:/"+in.Model+"/latest")
	}
	if v != nil {
		out.Number = v.Number
	}
	var conflict *modelregistry.Conflict
	switch {
	case errors.As(err, &conflict):
		out.Conflict = true
		if len(conflict.Current) > 0 {
			out.Number = conflict.Current[0]
		}
		return out, nil
	case errors.Is(err, modelregistry.ErrNotFound):
		out.Missing = in.Kind == promote || in.Kind == setAlias
		return out, nil
	}
	return out, err
}

func operations(history []entry) []porcupine.Operation {
	ops := make([]porcupine.Operation, len(history))
	for i, e := range history {
		ops[i] = porcupine.Operation{ClientId: e.Client, Call: e.Call, Return: e.Return, Input: e.In, Output: e.Out}
	}
	return ops
}
