package modelregistry

import (
	"fmt"
	"strings"
)

// SignatureCompatible lets versions pass that the incumbent's callers can call: whose signature breaks nothing of the
// incumbent's. One without a signature does not pass if the incumbent has one. The gate is called "signature compatible".
func SignatureCompatible() Gate {
	return &readyGate{name: "signature compatible", check: func(view *GateView) (Verdict, error) {
		if view.Incumbent == nil {
			return Pass("no other version %s", view.target().held()), nil
		}
		was, err := view.Facts(view.Incumbent)
		if err != nil {
			return Verdict{}, err
		}
		if was.Signature == nil {
			return Pass("version %d, the incumbent, has no signature", view.Incumbent.Number), nil
		}
		is, err := view.Facts(view.Candidate)
		if err != nil {
			return Verdict{}, err
		}
		if is.Signature == nil {
			return Refuse("version %d has no signature, and version %d, the incumbent, has one", view.Candidate.Number, view.Incumbent.Number), nil
		}
		var breaks []string
		for _, change := range was.Signature.Diff(is.Signature) {
			if change.Breaking {
				breaks = append(breaks, change.Part+": "+change.Text)
			}
		}
		if len(breaks) > 0 {
			return Refuse("callers of version %d, the incumbent, break: %s", view.Incumbent.Number, strings.Join(breaks, "; ")), nil
		}
		return Pass("with that of version %d, the incumbent", view.Incumbent.Number), nil
	}}
}

// ProvenancePresent lets versions pass that were registered with a Provenance. The gate is called "provenance present".
func ProvenancePresent() Gate {
	return &readyGate{name: "provenance present", check: func(view *GateView) (Verdict, error) {
		facts, err := view.Facts(view.Candidate)
		if err != nil {
			return Verdict{}, err
		}
		if facts.Provenance == nil {
			return noProvenance(view), nil
		}
		return Pass("%s", facts.Provenance.origin()), nil
	}}
}

// CleanTree lets versions pass whose code was just that of a commit, by their Provenance: it names the revision, and that
// nothing was changed besides. The gate is called "clean tree".
func CleanTree() Gate {
	return &readyGate{name: "clean tree", check: func(view *GateView) (Verdict, error) {
		facts, err := view.Facts(view.Candidate)
		if err != nil {
			return Verdict{}, err
		}
		switch p := facts.Provenance; {
		case p == nil:
			return noProvenance(view), nil
		case p.Revision == "":
			return Refuse("the provenance of version %d names no revision", view.Candidate.Number), nil
		case p.Dirty:
			return Refuse("it was trained by code with changes to %s that were not committed", p.origin()), nil
		default:
			return Pass("%s", p.origin()), nil
		}
	}}
}

func noProvenance(view *GateView) Verdict {
	return Refuse("version %d was registered without provenance", view.Candidate.Number)
}

// origin names the code in a few words.
func (p *Provenance) origin() string {
	if p.Revision == "" {
		return "of no known revision"
	}
	return fmt.Sprintf("revision %.40s", p.Revision)
}
