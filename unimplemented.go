package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"time"
)

// Unimplemented is a Registry whose every method answers errors.ErrUnsupported. Implementations that can do only a part,
// such as clients of remote registries, embed it.
type Unimplemented struct{}

var _ Registry = Unimplemented{}

func unsupported(op string) error { return &Error{Op: op, Err: errors.ErrUnsupported} }

func unsupportedSeq[T any](op string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		yield(none, unsupported(op))
	}
}

// unsupportedFS opens nothing.
type unsupportedFS struct{}

func (unsupportedFS) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("files of a version: %w", errors.ErrUnsupported)}
}

func (Unimplemented) private() {}

func (Unimplemented) Resolve(context.Context, string) (*Version, error) {
	return nil, unsupported("Resolve")
}
func (Unimplemented) Files(context.Context, *Version) fs.FS { return unsupportedFS{} }
func (Unimplemented) CreateModel(context.Context, string, ModelSpec) (*Model, error) {
	return nil, unsupported("CreateModel")
}
func (Unimplemented) Model(context.Context, string) (*Model, error) {
	return nil, unsupported("Model")
}
func (Unimplemented) UpdateModel(context.Context, string, ModelPatch) (*Model, error) {
	return nil, unsupported("UpdateModel")
}
func (Unimplemented) RenameModel(context.Context, string, string, *ChangeOptions) (*Model, error) {
	return nil, unsupported("RenameModel")
}
func (Unimplemented) DeleteModel(context.Context, string, *DeleteOptions) error {
	return unsupported("DeleteModel")
}
func (Unimplemented) SearchModels(context.Context, Query) (ModelPage, error) {
	return ModelPage{}, unsupported("SearchModels")
}
func (Unimplemented) Models(context.Context, Query) iter.Seq2[*Model, error] {
	return unsupportedSeq[*Model]("Models")
}
func (Unimplemented) Register(context.Context, string, VersionSpec) (*Version, error) {
	return nil, unsupported("Register")
}
func (Unimplemented) Version(context.Context, string, int) (*Version, error) {
	return nil, unsupported("Version")
}
func (Unimplemented) UpdateVersion(context.Context, string, int, VersionPatch) (*Version, error) {
	return nil, unsupported("UpdateVersion")
}
func (Unimplemented) DeleteVersion(context.Context, string, int, *DeleteOptions) error {
	return unsupported("DeleteVersion")
}
func (Unimplemented) CopyVersion(context.Context, string, string, *ChangeOptions) (*Version, error) {
	return nil, unsupported("CopyVersion")
}
func (Unimplemented) Manifest(context.Context, *Version) ([]File, error) {
	return nil, unsupported("Manifest")
}
func (Unimplemented) SearchVersions(context.Context, Query) (VersionPage, error) {
	return VersionPage{}, unsupported("SearchVersions")
}
func (Unimplemented) Versions(context.Context, Query) iter.Seq2[*Version, error] {
	return unsupportedSeq[*Version]("Versions")
}
func (Unimplemented) Promote(context.Context, string, int, Stage, *PromoteOptions) (*Promotion, error) {
	return nil, unsupported("Promote")
}
func (Unimplemented) Transition(context.Context, string, int, Stage, *TransitionOptions) (*Promotion, error) {
	return nil, unsupported("Transition")
}
func (Unimplemented) Rollback(context.Context, string, Stage, *RollbackOptions) (*Promotion, error) {
	return nil, unsupported("Rollback")
}
func (Unimplemented) SetAlias(context.Context, string, string, int, *AliasOptions) (int, error) {
	return 0, unsupported("SetAlias")
}
func (Unimplemented) DeleteAlias(context.Context, string, string, *AliasOptions) (int, error) {
	return 0, unsupported("DeleteAlias")
}
func (Unimplemented) Link(context.Context, *ChangeOptions, ...Edge) error { return unsupported("Link") }
func (Unimplemented) Lineage(context.Context, Node, *LineageOptions) (*Graph, error) {
	return nil, unsupported("Lineage")
}
func (Unimplemented) Events(context.Context, EventQuery) iter.Seq2[*Event, error] {
	return unsupportedSeq[*Event]("Events")
}
func (Unimplemented) Follow(context.Context, string) iter.Seq2[*Event, error] {
	return unsupportedSeq[*Event]("Follow")
}
func (Unimplemented) Verify(context.Context, string) (*VerifyReport, error) {
	return nil, unsupported("Verify")
}
func (u Unimplemented) At(time.Time) Resolver { return u }
func (Unimplemented) Sweep(context.Context, *SweepOptions) (*SweepReport, error) {
	return nil, unsupported("Sweep")
}
func (u Unimplemented) As(string) Registry { return u }
