// Package mlmodel reads the MLmodel file that MLflow keeps with a model's files, so that a model which a Python program
// saved is registered with the signature that it has:
//
//	files := os.DirFS("mlruns/1/models/m-…/artifacts")
//	m, err := mlmodel.Read(files)
//	v, err := reg.Register(ctx, "IrisClassifier", modelregistry.VersionSpec{Files: files, Signature: m.Signature})
//
// It is a package of its own because it links a YAML parser.
package mlmodel

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/modelregistry-go/modelregistry"
)

// Name is what the file is called; it is at the root of a model's files.
const Name = "MLmodel"

const maxSize = 16 << 20 // bytes

// A Model is what an MLmodel file says.
type Model struct {
	Signature *modelregistry.Signature // nil if it has none
	Flavors   []string                 // what can load it, in byte order: "python_function", "sklearn"
	RunID     string
	ModelID   string    // of the logged model; before MLflow 3 its UUID
	Version   string    // of the MLflow that wrote it
	Created   time.Time // zero if the file does not say, or in no form that is known
}

// Read reads the MLmodel file at the root of a model's files. fs.ErrNotExist: there is none.
func Read(files fs.FS) (*Model, error) {
	f, err := files.Open(Name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", Name, err)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", Name, err)
	}
	return Parse(data)
}

// Parse reads the content of an MLmodel file. An error that wraps modelregistry.ErrInvalid says why it is none.
func Parse(data []byte) (*Model, error) {
	if len(data) > maxSize {
		return nil, fmt.Errorf("%s: %w: larger than %d bytes", Name, modelregistry.ErrInvalid, maxSize)
	}
	var doc struct {
		Signature map[string]*string `yaml:"signature"`
		Flavors   map[string]any     `yaml:"flavors"`
		// What nothing needs is no reason to refuse a model, whatever it is written as.
		RunID     yaml.Node `yaml:"run_id"`
		ModelID   yaml.Node `yaml:"model_id"`
		ModelUUID yaml.Node `yaml:"model_uuid"`
		Version   yaml.Node `yaml:"mlflow_version"`
		Created   yaml.Node `yaml:"utc_time_created"`
	}
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", Name, modelregistry.ErrInvalid, err)
	}
	m := &Model{Flavors: slices.Sorted(maps.Keys(doc.Flavors)), RunID: text(doc.RunID), ModelID: text(doc.ModelID), Version: text(doc.Version),
		Created: created(text(doc.Created))}
	if m.ModelID == "" {
		m.ModelID = text(doc.ModelUUID)
	}
	if len(doc.Signature) == 0 {
		return m, nil
	}
	signature, err := json.Marshal(doc.Signature)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Name, err)
	}
	if err := json.Unmarshal(signature, &m.Signature); err != nil {
		return nil, fmt.Errorf("%s: %w", Name, err)
	}
	return m, nil
}

// text is a value that is one word or text, as it is written; else "".
func text(n yaml.Node) string {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		n = *n.Alias
	}
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return ""
	}
	return n.Value
}

// times are the forms in which MLflow's clients write when a model was made: Python's, and those of others.
var times = []string{"2006-01-02 15:04:05", "2006-01-02T15:04:05", "06-01-02T15:04:05", "2006-01-02"}

var (
	fractionRE = regexp.MustCompile(`^(.*:\d\d)\.\d\d(\.\d+)$`) // R's client writes the seconds twice, the second time with their fraction
	zoneRE     = regexp.MustCompile(`(?:Z|z| ?UTC| ?([+-]\d\d):?(\d\d)?)$`)
)

// created reads a time, UTC if it does not say otherwise; zero if it cannot be read.
func created(text string) time.Time {
	zone := ""
	if at := zoneRE.FindStringSubmatchIndex(text); at != nil && strings.Contains(text, ":") {
		if at[2] >= 0 { // else it is UTC
			zone = text[at[2]:at[3]] + "00"
			if at[4] >= 0 {
				zone = text[at[2]:at[3]] + text[at[4]:at[5]]
			}
		}
		text = text[:at[0]]
	}
	text = fractionRE.ReplaceAllString(text, "$1$2")
	for _, form := range times {
		if zone != "" {
			if t, err := time.Parse(form+"-0700", text+zone); err == nil {
				return t.UTC()
			}
		} else if t, err := time.Parse(form, text); err == nil {
			return t
		}
	}
	return time.Time{}
}

// Signature writes a signature as the section of an MLmodel file, for a Python program that loads what a Go program
// trained.
func Signature(s *modelregistry.Signature) ([]byte, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	var section struct {
		Inputs  *string `json:"inputs" yaml:"inputs"`
		Outputs *string `json:"outputs" yaml:"outputs"`
		Params  *string `json:"params" yaml:"params"`
	}
	if err := json.Unmarshal(text, &section); err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	return yaml.Marshal(map[string]any{"signature": section})
}
