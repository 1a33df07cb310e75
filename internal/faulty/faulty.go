// Package faulty makes a chosen step of a storage fail.
//
// A Plan counts the steps that go through the Backend and the Blobs that it wraps, and fails one of them: before it is
// done, or after it. A commit that fails after it was done is one whose acknowledgement got lost. A Plan can also fail
// every step from there on, as if the process had died: then nothing can be cleaned up either.
package faulty

import (
	"errors"
	"sync"
)

// Err is the error of a step that was made to fail.
var Err = errors.New("injected fault")

// A Mode is how a step fails.
type Mode uint8

// The modes.
const (
	Before Mode = iota // the step is not done
	After              // the step is done, and then fails
	Dead               // the step is not done, nor is any after it
)

// String names the mode for messages.
func (m Mode) String() string { return [...]string{"before", "after", "dead from"}[m] }

// Modes are all the modes.
func Modes() []Mode { return []Mode{Before, After, Dead} }

// The steps that a Plan counts, besides those of Reader and Tx, which are called by the method and the table.
const (
	Commit = "commit"
	Begin  = "begin"
)

// A Plan says which step fails. The zero Plan only counts. It is safe for concurrent use.
type Plan struct {
	mu    sync.Mutex
	fail  int // counted from 1; 0: none
	mode  Mode
	steps []string
}

// Arm makes the n-th step from now on fail, counted from 1. 0 lets all succeed. The count begins anew.
func (p *Plan) Arm(n int, mode Mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail, p.mode, p.steps = n, mode, nil
}

// Steps are the names of the steps since Arm.
func (p *Plan) Steps() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.steps...)
}

// step counts a step and says which of its two ends is to fail.
func (p *Plan) step(name string) (before, after error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.steps = append(p.steps, name)
	n := len(p.steps)
	switch {
	case p.fail == 0 || n < p.fail:
	case p.mode == Dead, n == p.fail && p.mode == Before:
		return Err, nil
	case n == p.fail:
		return nil, Err
	}
	return nil, nil
}

// do is one step.
func (p *Plan) do(name string, fn func() error) error {
	before, after := p.step(name)
	if before != nil {
		return before
	}
	if err := fn(); err != nil {
		return err
	}
	return after
}
