package modelregistry

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Requirement says that a version comes into a stage of a model, or under an alias, only past a gate of that name. It is
// stored with the model, so that a Registry that was opened without the gate does not pass: Promote, Transition, SetAlias
// and approvals refuse with a *Refused whose verdicts say which gates are Missing, and Plan says so before. What the gate
// does is the program's; only that one of the name is asked is the model's.
//
// Requirements go with the model when it is renamed, and stay with the name too: a model that is made anew under it has
// them from the beginning. To take one away takes a Reason; see ModelPatch.
type Requirement struct {
	Gate  string `json:"gate"`            // the GateRule's Name
	Stage Stage  `json:"stage,omitempty"` // Staging or Production
	Alias string `json:"alias,omitempty"` // instead of Stage
}

// maxRequired is how many gates a model can require.
const maxRequired = 1000

func (q Requirement) target() target { return target{q.Stage, q.Alias} }

// String tells the requirement in a few words: `gate "eval" in front of Production`.
func (q Requirement) String() string {
	return fmt.Sprintf("gate %.100q in front of %s", q.Gate, q.target())
}

// normal checks q and writes its stage as it is stored.
func (q Requirement) normal() (Requirement, error) {
	if q.Gate == "" {
		return q, fmt.Errorf("requirement: %w: it names no gate", ErrInvalid)
	}
	if err := checkName("name of the gate", q.Gate, maxName); err != nil {
		return q, err
	}
	switch {
	case q.Stage == "" && q.Alias == "":
		return q, fmt.Errorf("required gate %.80q: %w: in front of nothing; it takes a Stage or an Alias", q.Gate, ErrInvalid)
	case q.Stage != "" && q.Alias != "":
		return q, fmt.Errorf("required gate %.80q: %w: in front of both a stage and an alias; make two of it", q.Gate, ErrInvalid)
	case q.Alias != "":
		return q, checkAlias(q.Alias)
	}
	stage, err := q.Stage.normal()
	if err == nil && !stage.active() {
		err = fmt.Errorf("stage %s: %w: gates stand in front of Staging and Production", stage, ErrInvalid)
	}
	q.Stage = stage
	return q, err
}

func compareRequirements(a, b Requirement) int {
	return cmp.Or(cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Alias, b.Alias), cmp.Compare(a.Gate, b.Gate))
}

// checkRequirements checks what the patch requires, and writes it as it is stored.
func (patch *ModelPatch) checkRequirements() error {
	if n := len(patch.Require) + len(patch.Unrequire); n > maxRequired {
		return fmt.Errorf("%w: %d gates to require or not, at most %d", ErrInvalid, n, maxRequired)
	}
	for _, list := range []*[]Requirement{&patch.Require, &patch.Unrequire} {
		*list = slices.Clone(*list)
		for i, q := range *list {
			q, err := q.normal()
			if err != nil {
				return err
			}
			(*list)[i] = q
		}
	}
	for _, q := range patch.Unrequire {
		if slices.Contains(patch.Require, q) {
			return fmt.Errorf("%s: %w: to be required and not", q, ErrInvalid)
		}
	}
	if len(patch.Unrequire) > 0 && strings.TrimSpace(patch.Reason) == "" {
		return fmt.Errorf("%w: to take a required gate away takes a Reason", ErrInvalid)
	}
	return nil
}

// require does what the patch says about required gates.
func (m *Model) require(patch *ModelPatch) error {
	if len(patch.Require)+len(patch.Unrequire) == 0 {
		return nil
	}
	all := slices.DeleteFunc(slices.Concat(m.Requires, patch.Require), func(q Requirement) bool { return slices.Contains(patch.Unrequire, q) })
	if m.Requires = sortRequirements(all); len(m.Requires) > maxRequired {
		return fmt.Errorf("%w: %d required gates, at most %d", ErrInvalid, len(m.Requires), maxRequired)
	}
	size := 0
	for _, q := range m.Requires {
		size += len(q.Gate) + len(q.Alias)
	}
	return checkBytes("required gates", size, maxGuardBytes)
}

func sortRequirements(all []Requirement) []Requirement {
	slices.SortFunc(all, compareRequirements)
	if all = slices.Compact(all); len(all) == 0 {
		return nil
	}
	return all
}

// missing are verdicts of the gates that the model requires at the target of g, and the program lacks.
func (m *Model) missing(g *gating) (verdicts []Verdict) {
	for _, q := range m.Requires {
		if q.target() != g.target || slices.ContainsFunc(g.rules, func(rule GateRule) bool { return rule.Name == q.Gate }) {
			continue
		}
		verdicts = append(verdicts, Verdict{Gate: q.Gate, Missing: true, Reason: fmt.Sprintf(
			"the model requires it, and this program was opened without a gate of that name in front of %s", g.target)})
	}
	return verdicts
}

// guard is what stands by a name after its model has left it, so that neither a rename nor a deletion takes it out of
// force: a model that comes to have the name has it too.
type guard struct {
	Requires         []Requirement `json:"requires,omitempty"`
	ProtectedAliases Set           `json:"protected_aliases,omitzero"`
}

func (m *Model) guard() guard { return guard{m.Requires, m.ProtectedAliases} }

// checkGuard refuses to give a model a name that stands under more than the model does: what it holds already was not
// judged by that.
func (m *Model) checkGuard(name string, left guard) error {
	for _, q := range left.Requires {
		if !slices.Contains(m.Requires, q) {
			return &Conflict{Model: m.Name, Reason: fmt.Sprintf(
				"the name %q requires %s, and model %q does not; make it require that first, or make a model of that name and take the requirement away, for a reason",
				name, q, m.Name)}
		}
	}
	for alias := range left.ProtectedAliases.All() {
		if !m.ProtectedAliases.Has(alias) {
			return &Conflict{Model: m.Name, Alias: alias, Reason: fmt.Sprintf(
				"alias %q is protected under the name %q, and that of model %q is not; protect it first, or make a model of that name and take the protection away, for a reason",
				alias, name, m.Name)}
		}
	}
	return nil
}
