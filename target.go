package modelregistry

import "fmt"

// A target is what versions come into and gates are in front of: Staging or Production, or an alias.
type target struct {
	stage Stage
	alias string // "" if it is a stage
}

func (p target) String() string {
	if p.alias != "" {
		return fmt.Sprintf("alias %.100q", p.alias)
	}
	return string(p.stage)
}

// guarded says whether there can be gates in front of it.
func (p target) guarded() bool { return p.alias != "" || p.stage.active() }

// held says what a version does that is there: "holds Production".
func (p target) held() string {
	if p.alias != "" {
		return "has " + p.String()
	}
	return "holds " + p.String()
}

// into says where a version goes that comes there: "into Production; see RequestTransition".
func (p target) into() string {
	if p.alias != "" {
		return "under " + p.String() + "; see RequestAlias"
	}
	return "into " + p.String() + "; see RequestTransition"
}

// holders are the numbers of those who are there, ascending.
func (m *Model) holders(p target) []int {
	if p.alias == "" {
		return m.Holders[p.stage]
	}
	if number := m.Aliases[p.alias]; number != 0 {
		return []int{number}
	}
	return nil
}

func (view *GateView) target() target { return target{view.Stage, view.Alias} }
