package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"io"
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
func (Unimplemented) Plan(context.Context, string, int, Stage, *TransitionOptions) (*Plan, error) {
	return nil, unsupported("Plan")
}
func (Unimplemented) SetAlias(context.Context, string, string, int, *AliasOptions) (int, error) {
	return 0, unsupported("SetAlias")
}
func (Unimplemented) PlanAlias(context.Context, string, string, int, *AliasOptions) (*Plan, error) {
	return nil, unsupported("PlanAlias")
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
func (Unimplemented) Cursor(context.Context) (string, error) { return "", unsupported("Cursor") }
func (Unimplemented) Verify(context.Context, string, ...*Checkpoint) (*VerifyReport, error) {
	return nil, unsupported("Verify")
}
func (Unimplemented) VerifyAll(context.Context, ...*Checkpoint) iter.Seq2[*VerifyReport, error] {
	return unsupportedSeq[*VerifyReport]("VerifyAll")
}
func (Unimplemented) Checkpoint(context.Context, ...string) (*Checkpoint, error) {
	return nil, unsupported("Checkpoint")
}
func (u Unimplemented) At(time.Time) Resolver { return u }
func (Unimplemented) Sweep(context.Context, *SweepOptions) (*SweepReport, error) {
	return nil, unsupported("Sweep")
}
func (Unimplemented) CreateExperiment(context.Context, string, ExperimentSpec) (*Experiment, error) {
	return nil, unsupported("CreateExperiment")
}
func (Unimplemented) Experiment(context.Context, string) (*Experiment, error) {
	return nil, unsupported("Experiment")
}
func (Unimplemented) ExperimentByName(context.Context, string) (*Experiment, error) {
	return nil, unsupported("ExperimentByName")
}
func (Unimplemented) UpdateExperiment(context.Context, string, ExperimentPatch) (*Experiment, error) {
	return nil, unsupported("UpdateExperiment")
}
func (Unimplemented) SearchExperiments(context.Context, Query) (ExperimentPage, error) {
	return ExperimentPage{}, unsupported("SearchExperiments")
}
func (Unimplemented) StartRun(context.Context, RunSpec) (*Run, error) {
	return nil, unsupported("StartRun")
}
func (Unimplemented) Run(context.Context, string) (*Run, error) {
	return nil, unsupported("Run")
}
func (Unimplemented) UpdateRun(context.Context, string, RunPatch) (*Run, error) {
	return nil, unsupported("UpdateRun")
}
func (Unimplemented) LogRun(context.Context, string, RunEntries) error { return unsupported("LogRun") }
func (Unimplemented) MetricHistory(context.Context, string, string, Query) (MetricPage, error) {
	return MetricPage{}, unsupported("MetricHistory")
}
func (Unimplemented) SearchRuns(context.Context, Query) (RunPage, error) {
	return RunPage{}, unsupported("SearchRuns")
}
func (Unimplemented) Runs(context.Context, Query) iter.Seq2[*Run, error] {
	return unsupportedSeq[*Run]("Runs")
}
func (Unimplemented) CreateLoggedModel(context.Context, LoggedModelSpec) (*LoggedModel, error) {
	return nil, unsupported("CreateLoggedModel")
}
func (Unimplemented) LoggedModel(context.Context, string) (*LoggedModel, error) {
	return nil, unsupported("LoggedModel")
}
func (Unimplemented) UpdateLoggedModel(context.Context, string, LoggedModelPatch) (*LoggedModel, error) {
	return nil, unsupported("UpdateLoggedModel")
}
func (Unimplemented) SearchLoggedModels(context.Context, Query) (LoggedModelPage, error) {
	return LoggedModelPage{}, unsupported("SearchLoggedModels")
}
func (Unimplemented) PutArtifact(context.Context, string, io.Reader) (File, error) {
	return File{}, unsupported("PutArtifact")
}
func (Unimplemented) LogArtifacts(context.Context, string, fs.FS, *LogArtifactsOptions) error {
	return unsupported("LogArtifacts")
}
func (Unimplemented) OpenArtifact(context.Context, string) (fs.File, error) {
	return nil, unsupported("OpenArtifact")
}
func (Unimplemented) Artifacts(context.Context, string) fs.FS { return unsupportedFS{} }
func (Unimplemented) ListArtifacts(context.Context, string, Query) (ArtifactPage, error) {
	return ArtifactPage{}, unsupported("ListArtifacts")
}
func (Unimplemented) DeleteArtifacts(context.Context, string) error {
	return unsupported("DeleteArtifacts")
}
func (Unimplemented) CreateWebhook(context.Context, WebhookSpec) (*Webhook, error) {
	return nil, unsupported("CreateWebhook")
}
func (Unimplemented) Webhook(context.Context, string) (*Webhook, error) {
	return nil, unsupported("Webhook")
}
func (Unimplemented) Webhooks(context.Context, Query) (WebhookPage, error) {
	return WebhookPage{}, unsupported("Webhooks")
}
func (Unimplemented) UpdateWebhook(context.Context, string, WebhookPatch) (*Webhook, error) {
	return nil, unsupported("UpdateWebhook")
}
func (Unimplemented) DeleteWebhook(context.Context, string) error {
	return unsupported("DeleteWebhook")
}
func (Unimplemented) LeaseWebhook(context.Context, string, string, time.Time) (*Webhook, error) {
	return nil, unsupported("LeaseWebhook")
}
func (Unimplemented) AdvanceWebhook(context.Context, string, string, WebhookProgress) error {
	return unsupported("AdvanceWebhook")
}
func (Unimplemented) RecordOutcomes(context.Context, string, string, []Tally) error {
	return unsupported("RecordOutcomes")
}
func (Unimplemented) Outcomes(context.Context, string) ([]Tally, error) {
	return nil, unsupported("Outcomes")
}
func (Unimplemented) RequestAlias(context.Context, string, string, int, RequestSpec) (*Request, error) {
	return nil, unsupported("RequestAlias")
}
func (Unimplemented) RequestTransition(context.Context, string, int, Stage, RequestSpec) (*Request, error) {
	return nil, unsupported("RequestTransition")
}
func (Unimplemented) Approve(context.Context, string, string) (*Request, error) {
	return nil, unsupported("Approve")
}
func (Unimplemented) Reject(context.Context, string, string) (*Request, error) {
	return nil, unsupported("Reject")
}
func (Unimplemented) Comment(context.Context, string, string) (*Request, error) {
	return nil, unsupported("Comment")
}
func (Unimplemented) Withdraw(context.Context, string, string) (*Request, error) {
	return nil, unsupported("Withdraw")
}
func (Unimplemented) Request(context.Context, string) (*Request, error) {
	return nil, unsupported("Request")
}
func (Unimplemented) Requests(context.Context, RequestQuery) iter.Seq2[*Request, error] {
	return unsupportedSeq[*Request]("Requests")
}
func (Unimplemented) ApprovalStatus(context.Context, string, int) (ApprovalStatus, error) {
	return "", unsupported("ApprovalStatus")
}
func (Unimplemented) PlanRetention(context.Context, string, RetentionRules) (*RetentionPlan, error) {
	return nil, unsupported("PlanRetention")
}
func (Unimplemented) ApplyRetention(context.Context, *RetentionPlan, *ChangeOptions) (*RetentionReport, error) {
	return nil, unsupported("ApplyRetention")
}
func (Unimplemented) PurgeRuns(context.Context, RunPurge) (*PurgeReport, error) {
	return nil, unsupported("PurgeRuns")
}
func (Unimplemented) Facts(context.Context, *Version) (*Facts, error) {
	return nil, unsupported("Facts")
}
func (Unimplemented) RemoveEnvelope(context.Context, *Version, Envelope, *ChangeOptions) error {
	return unsupported("RemoveEnvelope")
}
func (Unimplemented) AddEnvelope(context.Context, *Version, Envelope, *ChangeOptions) error {
	return unsupported("AddEnvelope")
}
func (Unimplemented) RecordDeployment(context.Context, string, int, Endpoint, *ChangeOptions) error {
	return unsupported("RecordDeployment")
}
func (Unimplemented) EndDeployment(context.Context, string, int, string, string, *ChangeOptions) error {
	return unsupported("EndDeployment")
}
func (u Unimplemented) As(string) Registry { return u }
