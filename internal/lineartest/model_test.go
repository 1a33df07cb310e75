package lineartest

import (
	"fmt"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
)

// kind is what an operation calls.
type kind string

const (
	register   kind = "register"
	promote    kind = "promote to Production"
	setAlias   kind = "set alias"
	production kind = "resolve Production"
	champion   kind = "resolve the alias"
	latest     kind = "resolve latest"
)

// input is one call on a model.
type input struct {
	Kind   kind
	Model  string
	Number int
	Expect int // the version for a compare-and-swap; below 0: whatever is there
}

// output is its answer.
type output struct {
	Number   int // the version registered or resolved (0: none), displaced, or that the alias named before
	Conflict bool
	Missing  bool // the version is not there
}

// state is what has to be known of a model to answer.
type state struct{ last, production, alias int }

// step is the answer of a registry in state s, and the state it is in after that.
func step(s state, in input) (output, state) {
	switch in.Kind {
	case register:
		s.last++
		return output{Number: s.last}, s
	case production:
		return output{Number: s.production}, s
	case champion:
		return output{Number: s.alias}, s
	case latest:
		return output{Number: s.last}, s
	}
	if in.Number > s.last {
		return output{Missing: true}, s
	}
	holder := &s.production
	if in.Kind == setAlias {
		holder = &s.alias
	}
	before := *holder
	if in.Expect >= 0 && in.Expect != before {
		return output{Number: before, Conflict: true}, s
	}
	*holder = in.Number
	if in.Kind == promote && before == in.Number {
		before = 0 // nobody is displaced
	}
	return output{Number: before}, s
}

// model is step for porcupine. Models do not touch each other, so each is checked by itself.
var model = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byModel := map[string][]porcupine.Operation{}
		for _, op := range history {
			name := op.Input.(input).Model
			byModel[name] = append(byModel[name], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range byModel {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return state{} },
	Step: func(s, in, out any) (bool, any) {
		want, next := step(s.(state), in.(input))
		return want == out.(output), next
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v: %+v", in, out) },
}

// The model refuses the histories that each of the registry's promises rules out.
func TestModelRefuses(t *testing.T) {
	two := []porcupine.Operation{
		{Call: 0, Return: 1, Input: input{Kind: register}, Output: output{Number: 1}},
		{Call: 2, Return: 3, Input: input{Kind: register}, Output: output{Number: 2}},
	}
	for name, c := range map[string]struct {
		then []porcupine.Operation
		ok   bool
	}{
		"the numbers 1 and 2": {nil, true},
		"a number twice":      {[]porcupine.Operation{{Call: 4, Return: 5, Input: input{Kind: register}, Output: output{Number: 2}}}, false},
		"a number left out":   {[]porcupine.Operation{{Call: 4, Return: 5, Input: input{Kind: register}, Output: output{Number: 4}}}, false},
		"one of two that expect the same": {[]porcupine.Operation{
			{Call: 4, Return: 9, Input: input{Kind: setAlias, Number: 1}, Output: output{}},
			{Call: 4, Return: 9, Input: input{Kind: setAlias, Number: 2}, Output: output{Number: 1, Conflict: true}},
		}, true},
		"both of two that expect the same": {[]porcupine.Operation{
			{Call: 4, Return: 9, Input: input{Kind: setAlias, Number: 1}, Output: output{}},
			{Call: 4, Return: 9, Input: input{Kind: setAlias, Number: 2}, Output: output{}},
		}, false},
		"two promotions that displace nobody": {[]porcupine.Operation{
			{Call: 4, Return: 9, Input: input{Kind: promote, Number: 1, Expect: -1}, Output: output{}},
			{Call: 4, Return: 9, Input: input{Kind: promote, Number: 2, Expect: -1}, Output: output{}},
		}, false},
		"a reader that sees what was before": {[]porcupine.Operation{
			{Call: 4, Return: 5, Input: input{Kind: promote, Number: 1, Expect: -1}, Output: output{}},
			{Call: 6, Return: 7, Input: input{Kind: production}, Output: output{}},
		}, false},
		"a reader that sees what comes": {[]porcupine.Operation{
			{Call: 4, Return: 5, Input: input{Kind: latest}, Output: output{Number: 3}},
			{Call: 6, Return: 7, Input: input{Kind: register}, Output: output{Number: 3}},
		}, false},
	} {
		for i := range c.then {
			c.then[i].ClientId = i
		}
		require.Equal(t, c.ok, porcupine.CheckOperations(model, append(two[:2:2], c.then...)), name)
	}
}
