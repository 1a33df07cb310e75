package mlflow

import (
	"errors"
	"net/http"

	"github.com/modelregistry-go/modelregistry"
)

func runRoutes() []route {
	return []route{
		{method: http.MethodPost, path: "runs/create", about: "start a run", handle: (*call).createRun},
		{method: http.MethodGet, path: "runs/get", about: "a run with its newest metrics", handle: (*call).getRun},
		{method: http.MethodPost, path: "runs/update", about: "change a run's status, end or name", handle: (*call).updateRun},
		{method: http.MethodPost, path: "runs/delete", about: "delete a run, to be restored", handle: (*call).deleteRun},
		{method: http.MethodPost, path: "runs/restore", about: "restore a deleted run", handle: (*call).restoreRun},
		{method: http.MethodPost, path: "runs/search", about: "search runs", handle: (*call).searchRuns},
		{method: http.MethodPost, path: "runs/log-metric", about: "log a point of a metric", handle: (*call).logMetric},
		{method: http.MethodPost, path: "runs/log-parameter", about: "log a param", handle: (*call).logParam},
		{method: http.MethodPost, path: "runs/log-batch", about: "log metrics, params and tags, all or none", handle: (*call).logBatch},
		{method: http.MethodPost, path: "runs/log-inputs", about: "log the data sets and models that a run read", handle: (*call).logInputs},
		{method: http.MethodPost, path: "runs/outputs", about: "log the models that a run made", handle: (*call).logOutputs},
		{method: http.MethodPost, path: "runs/log-model", about: "note a model that a run left among its artifacts", handle: (*call).logModel},
		{method: http.MethodPost, path: "runs/set-tag", about: "set a tag of a run", handle: (*call).setRunTag},
		{method: http.MethodPost, path: "runs/delete-tag", about: "delete a tag of a run", handle: (*call).deleteRunTag},
		{method: http.MethodGet, path: "metrics/get-history", about: "the points of a metric of a run", handle: (*call).metricHistory},
		{method: http.MethodGet, path: "metrics/get-history-bulk", about: "the points of a metric of some runs", handle: (*call).metricHistories},
		{method: http.MethodGet, path: "metrics/get-history-bulk-interval", about: "a sample of the points of a metric of some runs", handle: (*call).sampledHistories},
		{method: http.MethodGet, path: "artifacts/list", about: "what a run left under a path", handle: (*call).listRunArtifacts},
	}
}

// The tags that say what runs have fields for. MLflow keeps tag and field alike.
const (
	tagRunName = "mlflow.runName"
	tagUser    = "mlflow.user"
)

func runResource(run *modelregistry.Run) Resource {
	return Resource{Kind: KindRun, Name: run.ID, Parent: run.ExperimentID}
}

func noRun(err error, id string) error { return orNotFound(err, "Run with id=%s not found", clip(id)) }

// runID is the field run_id, which clients of long ago call run_uuid.
func (c *call) runID() string {
	if c.text("run_id") == "" && c.text("run_uuid") != "" {
		return c.text("run_uuid")
	}
	return c.required("run_id")
}

// run is a run, and the registry for doing action with it.
func (c *call) run(action Action, id string) (modelregistry.Registry, *modelregistry.Run, error) {
	reg, err := c.authorize(action, Resource{Kind: KindRun, Name: id})
	if err != nil {
		return nil, nil, err
	}
	run, err := reg.Run(c.r.Context(), id)
	if err != nil {
		return nil, nil, noRun(err, id)
	}
	if !c.may(action, runResource(run)) {
		return nil, nil, c.denied
	}
	return reg, run, nil
}

// authorizeRun is run without the run, which is read only if there is somebody to be told of its experiment.
func (c *call) authorizeRun(action Action, id string) (modelregistry.Registry, error) {
	if c.s.opts.Authorize == nil {
		return c.authorize(action, Resource{Kind: KindRun, Name: id})
	}
	reg, _, err := c.run(action, id)
	return reg, err
}

// activeRun is a run that can be changed.
func (c *call) activeRun(action Action, id string) (modelregistry.Registry, *modelregistry.Run, error) {
	reg, run, err := c.run(action, id)
	if err == nil && run.Deleted {
		err = inactive("run", id)
	}
	return reg, run, err
}

func (c *call) createRun() (any, error) {
	spec := modelregistry.RunSpec{
		ExperimentID: modelregistry.DefaultExperiment, Name: c.text("run_name"), User: c.text("user_id"), Tags: c.tags(),
	}
	if c.has("start_time") {
		spec.Started = c.whole().instant("start_time")
	}
	if c.text("experiment_id") != "" {
		spec.ExperimentID = c.requiredExperiment()
	}
	switch name := spec.Tags[tagRunName]; {
	case spec.Name == "":
		spec.Name = name
		if name == "" {
			delete(spec.Tags, tagRunName) // or tag and name would part
		}
	case name == "":
		spec.Tags[tagRunName] = spec.Name
	case spec.Name != name:
		c.mistake(invalid("Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values (run_name='%s', mlflow.runName='%s').",
			spec.Name, name))
	}
	if spec.User == "" {
		spec.User = spec.Tags[tagUser]
	}
	if c.problem != nil {
		return nil, c.problem
	}
	reg, err := c.authorize(Create, Resource{Kind: KindRun, Parent: spec.ExperimentID})
	if err != nil {
		return nil, err
	}
	run, err := reg.StartRun(c.r.Context(), spec)
	if err != nil {
		return nil, noExperiment(err, spec.ExperimentID)
	}
	return fields{"run": runOf(run)}, nil
}

func (c *call) getRun() (any, error) {
	id := c.runID()
	if c.problem != nil {
		return nil, c.problem
	}
	_, run, err := c.run(Read, id)
	if err != nil {
		return nil, err
	}
	return fields{"run": runOf(run)}, nil
}

func (c *call) updateRun() (any, error) {
	id := c.runID()
	var patch modelregistry.RunPatch
	if status := c.choice("status", "RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"); status != "" {
		patch.Status = new(modelregistry.RunStatus(status))
	}
	// Resuming a run, the Python client sends the end that it had; one that goes on has none.
	goesOn := patch.Status != nil && (*patch.Status == modelregistry.RunRunning || *patch.Status == modelregistry.RunScheduled)
	if c.has("end_time") && !goesOn {
		patch.Ended = new(c.whole().instant("end_time"))
	}
	if name := c.text("run_name"); name != "" {
		patch.Name, patch.SetTags = &name, map[string]string{tagRunName: name}
	}
	if c.problem != nil {
		return nil, c.problem
	}
	reg, err := c.authorizeRun(Update, id)
	if err != nil {
		return nil, err
	}
	run, err := reg.UpdateRun(c.r.Context(), id, patch)
	if errors.Is(err, modelregistry.ErrConflict) {
		err = inactive("run", id)
	}
	if err != nil {
		return nil, noRun(err, id)
	}
	return fields{"run_info": runOf(run).Info}, nil
}

func (c *call) deleteRun() (any, error) { return c.putRun(Delete, true) }

func (c *call) restoreRun() (any, error) { return c.putRun(Update, false) }

// putRun deletes or restores a run.
func (c *call) putRun(action Action, deleted bool) (any, error) {
	id := c.runID()
	if c.problem != nil {
		return nil, c.problem
	}
	reg, err := c.authorizeRun(action, id)
	if err != nil {
		return nil, err
	}
	_, err = reg.UpdateRun(c.r.Context(), id, modelregistry.RunPatch{Deleted: &deleted})
	return nil, noRun(err, id)
}

func (c *call) setRunTag() (any, error) {
	id, key, value := c.runID(), c.tagKey(), c.text("value")
	if c.problem != nil {
		return nil, c.problem
	}
	return c.log(id, modelregistry.RunEntries{Tags: map[string]string{key: value}})
}

func (c *call) deleteRunTag() (any, error) {
	id, key := c.runID(), c.tagKey()
	if c.problem != nil {
		return nil, c.problem
	}
	reg, run, err := c.activeRun(Update, id)
	if err != nil {
		return nil, err
	}
	if _, ok := run.Tags.Lookup(key); !ok {
		return nil, notFound("No tag with name: %s in run with id %s", key, id)
	}
	_, err = reg.UpdateRun(c.r.Context(), id, modelregistry.RunPatch{DeleteTags: []string{key}})
	return nil, noRun(err, id)
}
