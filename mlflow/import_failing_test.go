package mlflow_test

import (
	"context"
	"io/fs"

	"github.com/modelregistry-go/modelregistry"
)

// step fails when the changes are used up.
func (f *failing) step() error {
	if f.left--; f.left < 0 {
		return f.err
	}
	return nil
}

func (f *failing) CreateExperiment(ctx context.Context, name string, spec modelregistry.ExperimentSpec) (*modelregistry.Experiment, error) {
	if err := f.step(); err != nil {
		return nil, err
	}
	return f.Registry.CreateExperiment(ctx, name, spec)
}

func (f *failing) StartRun(ctx context.Context, spec modelregistry.RunSpec) (*modelregistry.Run, error) {
	if err := f.step(); err != nil {
		return nil, err
	}
	return f.Registry.StartRun(ctx, spec)
}

func (f *failing) UpdateRun(ctx context.Context, id string, patch modelregistry.RunPatch) (*modelregistry.Run, error) {
	if err := f.step(); err != nil {
		return nil, err
	}
	return f.Registry.UpdateRun(ctx, id, patch)
}

func (f *failing) CreateLoggedModel(ctx context.Context, spec modelregistry.LoggedModelSpec) (*modelregistry.LoggedModel, error) {
	if err := f.step(); err != nil {
		return nil, err
	}
	return f.Registry.CreateLoggedModel(ctx, spec)
}

func (f *failing) LogArtifacts(ctx context.Context, dir string, fsys fs.FS, opts *modelregistry.LogArtifactsOptions) error {
	if err := f.step(); err != nil {
		return err
	}
	return f.Registry.LogArtifacts(ctx, dir, fsys, opts)
}

func (f *failing) CreateModel(ctx context.Context, name string, spec modelregistry.ModelSpec) (*modelregistry.Model, error) {
	if err := f.step(); err != nil {
		return nil, err
	}
	return f.Registry.CreateModel(ctx, name, spec)
}

func (f *failing) UpdateModel(ctx context.Context, name string, patch modelregistry.ModelPatch) (*modelregistry.Model, error) {
	if err := f.step(); err != nil {
		return nil, err
	}
	return f.Registry.UpdateModel(ctx, name, patch)
}

func (f *failing) Register(ctx context.Context, model string, spec modelregistry.VersionSpec) (*modelregistry.Version, error) {
	if err := f.step(); err != nil {
		return nil, err
	}
	return f.Registry.Register(ctx, model, spec)
}

func (f *failing) DeleteVersion(ctx context.Context, model string, number int, opts *modelregistry.DeleteOptions) error {
	if err := f.step(); err != nil {
		return err
	}
	return f.Registry.DeleteVersion(ctx, model, number, opts)
}

func (f *failing) Transition(ctx context.Context, model string, number int, to modelregistry.Stage, opts *modelregistry.TransitionOptions) (*modelregistry.Promotion, error) {
	if err := f.step(); err != nil {
		return nil, err
	}
	return f.Registry.Transition(ctx, model, number, to, opts)
}
