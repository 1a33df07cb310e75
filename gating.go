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
				return nil, fmt.Errorf("gate %d: %w: another gate in front of the same stage or alias is called %q too; give one a Name", i+1, ErrInvalid, rule.Name)
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
	if rule.Alias != "" {
		if rule.Stage != "" {
			return fmt.Errorf("%w: it is in front of both stage %s and alias %q; make two of it", ErrInvalid, rule.Stage, rule.Alias)
		}
		if err := checkAlias(rule.Alias); err != nil {
			return err
		}
		if g, ok := rule.Gate.(*readyGate); ok && g.stagesOnly {
			return fmt.Errorf("gate %q: %w: it is about stages, and cannot be in front of alias %q", g.name, ErrInvalid, rule.Alias)
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
	return checkName("name of the gate", rule.Name, maxName)
}

// meets says whether two rules are in front of one stage or alias of one model.
func (rule *GateRule) meets(other *GateRule) bool {
	return (rule.Model == other.Model || rule.Model == "" || other.Model == "") && rule.Alias == other.Alias &&
		(rule.Stage == other.Stage || rule.Stage == "" || other.Stage == "")
}

// gating is what the gates of one call need.
type gating struct {
	ctx      context.Context
	target   target
	rules    []GateRule // that are in front of the target
	waivers  map[string]string
	waivedBy string
	request  *Request // that the promotion comes from
	asking   bool     // the request is only being made, so that nobody can have approved it

	ready    bool   // Prepare was called
	modelID  string // of the version that was prepared
	digest   string
	prepared []prepared // by rule
}

type prepared struct {
	state any
	err   error // of a gate that is waived
}

// gating finds the gates in front of a stage or alias.
func (r *registry) gating(ctx context.Context, model string, to target, waivers map[string]string) (*gating, error) {
	g := &gating{ctx: ctx, target: to, rules: r.gatesAt(model, to), waivers: waivers, waivedBy: r.actor}
	return g, g.checkWaivers()
}

// gatesAt are the program's gates in front of a stage or alias.
func (r *registry) gatesAt(model string, to target) (rules []GateRule) {
	if !to.guarded() {
		return nil
	}
	here := GateRule{Model: model, Stage: to.stage, Alias: to.alias}
	for _, rule := range r.gates {
		if rule.meets(&here) {
			rules = append(rules, rule)
		}
	}
	return rules
}

func (g *gating) checkWaivers() error {
	for name, why := range g.waivers {
		if !slices.ContainsFunc(g.rules, func(rule GateRule) bool { return rule.Name == name }) {
			return fmt.Errorf("waiver: %w: no gate called %.80q is in front of %s; %s", ErrInvalid, name, g.target, g.names())
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

// checkGates asks the gates whether v may come where they are. All versions that are there are loaded.
func (c *change) checkGates(g *gating, v *Version) ([]Verdict, error) {
	missing := c.model.missing(g)
	if len(g.rules) == 0 {
		return missing, nil
	}
	if g.prepares() && !g.ready {
		return nil, errUnprepared
	}
	if g.ready && (g.modelID != v.ModelID || g.digest != v.Digest) {
		return nil, fmt.Errorf("%w: model %q was made anew while the gates looked at its version %d", ErrConflict, v.Model, v.Number)
	}
	candidate := *v // which a gate may not change
	view := GateView{
		Candidate: &candidate, Stage: g.target.stage, Alias: g.target.alias,
		Actor: c.r.actor, Reason: c.reason, Time: c.now, Request: g.request,
		source: &viewSource{tx: c.tx, modelID: c.model.ID, numbers: []int{v.Number}},
	}
	if g.request != nil {
		view.Actor, view.Reason = g.request.Requester, g.request.Reason
	}
	for _, n := range c.model.holders(g.target) {
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
	var verdicts []Verdict
	for i, rule := range g.rules {
		if _, votes := rule.Gate.(*approvalGate); votes && g.asking {
			continue
		}
		verdict, err := g.check(i, view)
		if err != nil {
			return nil, fmt.Errorf("gate %q: %w", rule.Name, err)
		}
		verdict.Gate, verdict.Missing, verdict.Waiver, verdict.WaivedBy = rule.Name, false, "", ""
		verdict.Reason = clean(verdict.Reason)
		if why := g.waivers[rule.Name]; !verdict.Passed && why != "" {
			verdict.Waiver, verdict.WaivedBy = why, g.waivedBy
		}
		verdicts = append(verdicts, verdict)
	}
	return append(verdicts, missing...), nil
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

// refused is the *Refused of verdicts that keep a version from its target, or nil.
func refused(model string, number int, to target, verdicts []Verdict) error {
	if !slices.ContainsFunc(verdicts, Verdict.refuses) {
		return nil
	}
	return &Refused{Model: model, Version: number, Stage: to.stage, Alias: to.alias, Verdicts: verdicts}
}
