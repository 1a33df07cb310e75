package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// checkGates checks the rules of Options and gives every gate its name.
func checkGates(rules []GateRule) ([]GateRule, error) {
	rules = slices.Clone(rules)
	for i := range rules {
		rule := &rules[i]
		if err := rule.check(); err != nil {
			return nil, fmt.Errorf("gate %d: %w", i+1, err)
		}
		for _, other := range rules[:i] {
			if other.Name == rule.Name && other.meets(rule) {
				return nil, fmt.Errorf("gate %d: %w: another gate in front of the same stage is called %q too; give one a Name", i+1, ErrInvalid, rule.Name)
			}
		}
	}
	return rules, nil
}

func (rule *GateRule) check() error {
	if rule.Gate == nil {
		return fmt.Errorf("%w: the rule has no Gate", ErrInvalid)
	}
	if g, ok := rule.Gate.(interface{ Invalid() error }); ok && g.Invalid() != nil {
		return g.Invalid()
	}
	if rule.Model != "" {
		if err := checkModelName(rule.Model); err != nil {
			return err
		}
	}
	if rule.Stage != "" {
		stage, err := rule.Stage.normal()
		if err != nil {
			return err
		}
		if !stage.active() {
			return fmt.Errorf("stage %s: %w: gates stand in front of Staging and Production", stage, ErrInvalid)
		}
		rule.Stage = stage
	}
	if s, ok := rule.Gate.(fmt.Stringer); ok && rule.Name == "" {
		rule.Name = s.String()
	}
	if rule.Name == "" {
		return fmt.Errorf("%w: it has no Name, and the gate no String method", ErrInvalid)
	}
	return checkText("name of the gate", rule.Name, maxName)
}

// meets says whether two rules are in front of one stage of one model.
func (rule *GateRule) meets(other *GateRule) bool {
	return (rule.Model == other.Model || rule.Model == "" || other.Model == "") &&
		(rule.Stage == other.Stage || rule.Stage == "" || other.Stage == "")
}

// gating is what the gates of one call need.
type gating struct {
	ctx      context.Context
	rules    []GateRule // that are in front of the stage
	waivers  map[string]string
	waivedBy string
	request  *Request // that the promotion comes from

	ready    bool   // Prepare was called
	modelID  string // of the version that was prepared
	digest   string
	prepared []prepared // by rule
}

type prepared struct {
	state any
	err   error // of a gate that is waived
}

// gating finds the gates in front of a stage.
func (r *registry) gating(ctx context.Context, model string, to Stage, waivers map[string]string) (*gating, error) {
	g := &gating{ctx: ctx, waivers: waivers, waivedBy: r.actor}
	here := GateRule{Model: model, Stage: to}
	if to.active() {
		for _, rule := range r.gates {
			if rule.meets(&here) {
				g.rules = append(g.rules, rule)
			}
		}
	}
	return g, g.checkWaivers(to)
}

func (g *gating) checkWaivers(to Stage) error {
	for name, why := range g.waivers {
		if !slices.ContainsFunc(g.rules, func(rule GateRule) bool { return rule.Name == name }) {
			return fmt.Errorf("waiver: %w: no gate called %.80q is in front of %s; %s", ErrInvalid, name, to, g.names())
		}
		if strings.TrimSpace(why) == "" {
			return fmt.Errorf("waiver of %q: %w: without a reason", name, ErrInvalid)
		}
		if err := checkText("reason of the waiver", why, maxReason); err != nil {
			return err
		}
		if g.waivedBy == "" {
			return fmt.Errorf("waiver of %q: %w: without an actor; see Registry.As", name, ErrInvalid)
		}
	}
	return nil
}

// names lists the gates for messages.
func (g *gating) names() string {
	if len(g.rules) == 0 {
		return "there are none"
	}
	var names []string
	for _, rule := range g.rules[:min(len(g.rules), 10)] {
		names = append(names, fmt.Sprintf("%.80q", rule.Name))
	}
	return "there are " + strings.Join(names, ", ")
}

// prepares says whether a gate has work to do before the transaction.
func (g *gating) prepares() bool {
	return slices.ContainsFunc(g.rules, func(rule GateRule) bool { _, ok := rule.Gate.(Preparer); return ok })
}

// prepare lets the gates do their slow work.
func (g *gating) prepare(r *registry, model string, number int) error {
	if !g.prepares() {
		return nil
	}
	v, err := r.Version(g.ctx, model, number)
	if err != nil {
		return err
	}
	g.ready, g.modelID, g.digest = true, v.ModelID, v.Digest
	g.prepared = make([]prepared, len(g.rules))
	for i, rule := range g.rules {
		p, ok := rule.Gate.(Preparer)
		if !ok {
			continue
		}
		state, err := p.Prepare(g.ctx, r, v)
		if err != nil && g.waivers[rule.Name] == "" {
			return fmt.Errorf("gate %q: %w", rule.Name, err)
		}
		g.prepared[i] = prepared{state, err}
	}
	return nil
}

// errUnprepared: a gate's Prepare has to be called first.
var errUnprepared = errors.New("gates are not prepared")

// checkGates asks the gates whether v may come into a stage. All versions that hold it are loaded.
func (c *change) checkGates(g *gating, v *Version, to Stage) ([]Verdict, error) {
	if len(g.rules) == 0 {
		return nil, nil
	}
	if g.prepares() && !g.ready {
		return nil, errUnprepared
	}
	if g.ready && (g.modelID != v.ModelID || g.digest != v.Digest) {
		return nil, fmt.Errorf("%w: model %q was made anew while the gates looked at its version %d", ErrConflict, v.Model, v.Number)
	}
	candidate := *v // which a gate may not change
	view := GateView{
		Candidate: &candidate, Stage: to, Actor: c.r.actor, Reason: c.reason, Time: c.now, Request: g.request,
		source: &viewSource{tx: c.tx, modelID: c.model.ID, numbers: []int{v.Number}},
	}
	if g.request != nil {
		view.Actor, view.Reason = g.request.Requester, g.request.Reason
	}
	for _, n := range c.model.Holders[to] {
		if n == v.Number {
			continue
		}
		holder, err := c.version(n)
		if err != nil {
			return nil, err
		}
		incumbent := *holder
		view.Incumbent = &incumbent
	}
	if view.Incumbent != nil {
		view.source.numbers = append(view.source.numbers, view.Incumbent.Number)
	}
	verdicts := make([]Verdict, len(g.rules))
	for i, rule := range g.rules {
		verdict, err := g.check(i, view)
		if err != nil {
			return nil, fmt.Errorf("gate %q: %w", rule.Name, err)
		}
		verdict.Gate, verdict.Waiver, verdict.WaivedBy = rule.Name, "", ""
		verdict.Reason = clean(verdict.Reason)
		if why := g.waivers[rule.Name]; !verdict.Passed && why != "" {
			verdict.Waiver, verdict.WaivedBy = why, g.waivedBy
		}
		verdicts[i] = verdict
	}
	return verdicts, nil
}

// check asks one gate. Each gets a view of its own.
func (g *gating) check(i int, view GateView) (Verdict, error) {
	if g.ready {
		if err := g.prepared[i].err; err != nil {
			return Refuse("it could not be checked: %v", err), nil
		}
		view.Prepared = g.prepared[i].state
	}
	return g.rules[i].Gate.Check(g.ctx, &view)
}

// clean makes of a gate's words what an event can carry.
func clean(reason string) string {
	reason = strings.ReplaceAll(strings.ToValidUTF8(reason, "\uFFFD"), "\x00", "\uFFFD")
	if utf8.RuneCountInString(reason) > maxReason {
		reason = string([]rune(reason)[:maxReason])
	}
	return reason
}

// refused is the *Refused of verdicts that keep v out of a stage, or nil.
func refused(v *Version, to Stage, verdicts []Verdict) error {
	if !slices.ContainsFunc(verdicts, Verdict.refuses) {
		return nil
	}
	return &Refused{Model: v.Model, Version: v.Number, Stage: to, Verdicts: verdicts}
}
