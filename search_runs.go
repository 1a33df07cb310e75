package modelregistry

import (
	"context"
	"strconv"

	"github.com/modelregistry-go/modelregistry/backend"
)

func searchExperiments(ctx context.Context, b backend.Backend, q Query) (ExperimentPage, error) {
	var page ExperimentPage
	next, err := runSearch(ctx, b, &experimentSubject, q, func(row backend.Row) (found, error) {
		e, err := decodeExperiment(row)
		return foundExperiment{Experiment: e}, err
	}, func(f found) { page.Experiments = append(page.Experiments, f.(foundExperiment).Experiment) })
	if err != nil {
		return ExperimentPage{}, err
	}
	page.Next = next
	return page, nil
}

func searchRuns(ctx context.Context, b backend.Backend, q Query) (RunPage, error) {
	var page RunPage
	next, err := runSearch(ctx, b, &runSubject, q, func(row backend.Row) (found, error) {
		r, err := decodeRun(row)
		if err != nil {
			return nil, err
		}
		return foundRun{Run: &r.Run, bytes: r.Bytes}, nil
	}, func(f found) { page.Runs = append(page.Runs, f.(foundRun).Run) })
	if err != nil {
		return RunPage{}, err
	}
	if err := readEntries(func(q backend.Query) ([]backend.Row, error) { return b.Find(ctx, q) }, page.Runs...); err != nil {
		return RunPage{}, err
	}
	page.Next = next
	return page, nil
}

// bareFound answers for what has no attributes of some kinds, and no entries.
type bareFound struct{}

func (bareFound) text(attrID) string                  { return "" }
func (bareFound) int(attrID) int64                    { return noTime }
func (bareFound) semver() Semver                      { return Semver{} }
func (bareFound) set(attrID) []string                 { return nil }
func (bareFound) entry(entity, string) (string, bool) { return "", false }
func (bareFound) metric(string) (float64, bool)       { return 0, false }

type foundExperiment struct {
	bareFound
	*Experiment
}

func (e foundExperiment) text(id attrID) string {
	switch id {
	case attrName:
		return e.Name
	case attrLifecycle:
		return lifecycle(e.Deleted)
	case attrArtifacts:
		return e.Artifacts
	}
	return ""
}

func (e foundExperiment) int(id attrID) int64 {
	switch id {
	case attrExperiment:
		number, _ := strconv.ParseInt(e.ID, 10, 64) // as it was printed
		return number
	case attrCreated:
		return e.Created.UnixMicro()
	}
	return e.Updated.UnixMicro()
}

func (e foundExperiment) entry(_ entity, key string) (string, bool) { return e.Tags.Lookup(key) }

func (e foundExperiment) column(field string) backend.Value {
	switch field {
	case "name":
		return backend.StringValue(e.Name)
	case "lifecycle":
		return backend.StringValue(lifecycle(e.Deleted))
	case "created":
		return backend.TimeValue(e.Created)
	case "updated":
		return backend.TimeValue(e.Updated)
	}
	return backend.IntValue(e.int(attrExperiment))
}

type foundRun struct {
	bareFound
	*Run
	bytes int // of what it has
}

func (r foundRun) text(id attrID) string {
	switch id {
	case attrRun:
		return r.ID
	case attrExperiment:
		return r.ExperimentID
	case attrName:
		return r.Name
	case attrStatus:
		return string(r.Status)
	case attrActor:
		return r.User
	case attrLifecycle:
		return lifecycle(r.Deleted)
	case attrArtifacts:
		return r.Artifacts
	}
	return ""
}

func (r foundRun) int(id attrID) int64 {
	if id == attrEnded {
		return r.Ended.UnixMicro()
	}
	return r.Started.UnixMicro()
}

// datasetContext is the tag of an input that says what its data set was for.
const datasetContext = "mlflow.data.context"

func (r foundRun) set(id attrID) []string {
	var out []string
	for _, in := range r.Inputs {
		if in.Dataset == nil {
			continue
		}
		switch id {
		case attrDatasetName:
			out = append(out, in.Dataset.Name)
		case attrDatasetDigest:
			out = append(out, in.Dataset.Digest)
		case attrDatasetContext:
			if context, ok := in.Tags.Lookup(datasetContext); ok {
				out = append(out, context)
			}
		}
	}
	return out
}

func (r foundRun) entry(ent entity, key string) (string, bool) {
	if ent == entParam {
		return r.Params.Lookup(key)
	}
	return r.Tags.Lookup(key)
}

func (r foundRun) metric(key string) (float64, bool) {
	p, ok := r.Metrics[key]
	return p.Value, ok
}

func (r foundRun) column(field string) backend.Value {
	switch field {
	case "experiment":
		return backend.StringValue(r.ExperimentID)
	case "lifecycle":
		return backend.StringValue(lifecycle(r.Deleted))
	case "name":
		return backend.StringValue(r.Name)
	case "status":
		return backend.StringValue(string(r.Status))
	case "user_id":
		return backend.StringValue(r.User)
	case "started":
		return backend.TimeValue(r.Started)
	case "ended":
		return backend.TimeValue(r.Ended)
	}
	return backend.StringValue(r.ID)
}
