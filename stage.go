package modelregistry

import (
	"fmt"
	"strings"
)

// A Stage is where a version stands in its life. The zero Stage is None.
type Stage string

// The stages. A version is registered in None.
const (
	None       Stage = "None"       // newly registered, or taken out of any stage
	Staging    Stage = "Staging"    // under test
	Production Stage = "Production" // serving
	Archived   Stage = "Archived"   // no longer used, kept
)

// Stages are all the stages, in the order of a version's life.
func Stages() []Stage { return []Stage{None, Staging, Production, Archived} }

// ParseStage reads a stage in any case. ErrInvalid: it is none of the four.
func ParseStage(s string) (Stage, error) {
	for _, stage := range [...]Stage{None, Staging, Production, Archived} {
		if strings.EqualFold(s, string(stage)) {
			return stage, nil
		}
	}
	return "", fmt.Errorf("stage %.80q: %w: not one of None, Staging, Production, Archived", s, ErrInvalid)
}

// active says whether one version is meant to hold the stage.
func (s Stage) active() bool { return s == Staging || s == Production }

// normal makes the zero Stage None, and refuses what is not a stage.
func (s Stage) normal() (Stage, error) {
	if s == "" {
		return None, nil
	}
	return ParseStage(string(s))
}

// column is how a stage is stored: None as "", so that the index on stages holds only versions that have one.
func (s Stage) column() string {
	if s == None {
		return ""
	}
	return string(s)
}
