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
	"slices"
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
	ModelID   string // of the logged model; before MLflow 3 its UUID
	Version   string // of the MLflow that wrote it
	Created   time.Time
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
		Signature map[string]*string   `yaml:"signature"`
		Flavors   map[string]yaml.Node `yaml:"flavors"`
		RunID     string               `yaml:"run_id"`
		ModelID   string               `yaml:"model_id"`
		ModelUUID string               `yaml:"model_uuid"`
		Version   string               `yaml:"mlflow_version"`
		Created   string               `yaml:"utc_time_created"`
	}
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", Name, modelregistry.ErrInvalid, err)
	}
	m := &Model{Flavors: slices.Sorted(maps.Keys(doc.Flavors)), RunID: doc.RunID, ModelID: doc.ModelID, Version: doc.Version}
	if m.ModelID == "" {
		m.ModelID = doc.ModelUUID
	}
	if doc.Created != "" {
		var err error
		if m.Created, err = time.Parse("2006-01-02 15:04:05", doc.Created); err != nil {
			return nil, fmt.Errorf("%s: utc_time_created: %w: %w", Name, modelregistry.ErrInvalid, err)
		}
	}
	if len(doc.Signature) == 0 {
		return m, nil
	}
	text, err := json.Marshal(doc.Signature)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Name, err)
	}
	if err := json.Unmarshal(text, &m.Signature); err != nil {
		return nil, fmt.Errorf("%s: %w", Name, err)
	}
	return m, nil
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
