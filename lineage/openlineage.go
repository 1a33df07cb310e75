package lineage

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// OpenLineageOptions go with OpenLineage. Nil means all defaults.
type OpenLineageOptions struct {
	// Namespace is that of jobs, and of data whose path is no URL; "" is "modelregistry".
	Namespace string
	// Producer is a URI of the program that sends the events; "" is this module's.
	Producer string
	// Time is when the events happened; zero is now. A graph does not say.
	Time time.Time
}

// The specification that events keep to.
const (
	openLineageSchema = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
	openLineageFacets = "https://openlineage.io/spec/facets/"
	defaultProducer   = "https://github.com/modelregistry-go/modelregistry"
	defaultNamespace  = "modelregistry"
)

// A RunEvent is OpenLineage's: what a run of a job read and wrote.
type RunEvent struct {
	EventType string    `json:"eventType"` // START or COMPLETE
	EventTime time.Time `json:"eventTime"`
	Producer  string    `json:"producer"`
	SchemaURL string    `json:"schemaURL"`
	Run       struct {
		RunID string `json:"runId"`
	} `json:"run"`
	Job     EventJob       `json:"job"`
	Inputs  []EventDataset `json:"inputs"`
	Outputs []EventDataset `json:"outputs"`
}

// An EventJob is a job in a RunEvent.
type EventJob struct {
	Namespace string                    `json:"namespace"`
	Name      string                    `json:"name"`
	Facets    map[string]map[string]any `json:"facets,omitempty"`
}

// An EventDataset is anything that a job reads or writes in a RunEvent.
type EventDataset struct {
	Namespace string                    `json:"namespace"`
	Name      string                    `json:"name"`
	Facets    map[string]map[string]any `json:"facets,omitempty"`
}

// OpenLineage tells a graph as OpenLineage run events, origins first, for catalogs such as Marquez.
//
// Each training run is a run, which read what it and its results came from and wrote what was produced by it. Any other
// node with origins, and no run among them, was written by a run of its own. A run has a START and a COMPLETE event; a
// deployment is a service that goes on, with a START, and writes nothing. The IDs of runs that are UUIDs, as MLflow's
// are, stay; others are made of the node, so that the same node has the same run again.
//
// Data whose path is a URL has the URL's scheme and host for a namespace, as OpenLineage names data. A version is a
// dataset "models:/fraud/3" of the type MODEL. A commit is a dataset too, since it can have origins, and if its path is a URL
// also the job's sourceCodeLocation. An edge from a run to a run has no counterpart and is left out.
//
// ErrInvalid: the producer is no absolute URI.
func OpenLineage(g *modelregistry.Graph, opts *OpenLineageOptions) ([]RunEvent, error) {
	if opts == nil {
		opts = &OpenLineageOptions{}
	}
	w := &eventWriter{
		numbered:  number(g),
		namespace: cmp.Or(opts.Namespace, defaultNamespace),
		producer:  cmp.Or(opts.Producer, defaultProducer),
		time:      opts.Time,
	}
	if !isURI(w.producer) {
		return nil, fmt.Errorf("producer %.80q: %w: not an absolute URI, such as %s", w.producer, modelregistry.ErrInvalid, defaultProducer)
	}
	if w.time.IsZero() {
		w.time = time.Now()
	}
	w.time = w.time.UTC()
	w.up = make([][]int, len(w.nodes))
	w.down = make([][]int, len(w.nodes))
	for _, e := range w.edges {
		w.up[e.from] = append(w.up[e.from], e.to)
		w.down[e.to] = append(w.down[e.to], e.from)
	}
	ranks := w.rank()
	order := make([]int, len(w.nodes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(ranks[a], ranks[b]) })
	var events []RunEvent
	for _, i := range order {
		events = append(events, w.events(i)...)
	}
	return events, nil
}

type eventWriter struct {
	*numbered
	up, down  [][]int
	namespace string
	producer  string
	time      time.Time
}

func (w *eventWriter) isRun(i int) bool { return w.nodes[i].Kind == modelregistry.TrainingRun }

// events are those of the run that node i is or was written by; none if it is an origin, or another node's run wrote it.
func (w *eventWriter) events(i int) []RunEvent {
	node := w.nodes[i]
	var inputs, outputs []int
	jobType, service := "TRAINING", false
	switch {
	case w.isRun(i):
		inputs = w.up[i]
		for _, j := range w.down[i] {
			if !w.isRun(j) {
				outputs = append(outputs, j)
				inputs = append(slices.Clip(inputs), w.up[j]...)
			}
		}
	case len(w.up[i]) == 0 || slices.ContainsFunc(w.up[i], w.isRun):
		return nil
	case node.Kind == modelregistry.Deployment:
		inputs, jobType, service = w.up[i], "DEPLOYMENT", true
	default:
		inputs, outputs = w.up[i], []int{i}
	}
	e := RunEvent{
		EventType: "START", EventTime: w.time, Producer: w.producer, SchemaURL: openLineageSchema + "#/$defs/RunEvent",
		Job: w.job(i, outputs, jobType, service), Inputs: []EventDataset{}, Outputs: []EventDataset{},
	}
	e.Run.RunID = runID(node)
	seen := map[int]bool{}
	for _, j := range inputs {
		if seen[j] || w.isRun(j) {
			continue
		}
		seen[j] = true
		e.Inputs = append(e.Inputs, w.dataset(w.nodes[j]))
		if loc := w.codeLocation(w.nodes[j]); loc != nil && e.Job.Facets["sourceCodeLocation"] == nil {
			e.Job.Facets["sourceCodeLocation"] = loc
		}
	}
	if service {
		return []RunEvent{e}
	}
	done := e
	done.EventType = "COMPLETE"
	for _, j := range outputs {
		done.Outputs = append(done.Outputs, w.dataset(w.nodes[j]))
	}
	return []RunEvent{e, done}
}

// job names what is run again and again: the training of a model, the making of a data set.
func (w *eventWriter) job(i int, outputs []int, jobType string, service bool) EventJob {
	node := w.nodes[i]
	if w.isRun(i) && len(outputs) > 0 {
		node = w.nodes[outputs[0]]
	}
	processing := "BATCH"
	if service {
		processing = "SERVICE"
	}
	name := string(node.Kind) + "." + node.Name
	if node.Kind == modelregistry.ModelVersion {
		name = "train." + node.Name
	}
	return EventJob{Namespace: w.namespace, Name: name, Facets: map[string]map[string]any{
		"jobType": w.facet("2-0-4/JobTypeJobFacet.json", map[string]any{
			"processingType": processing, "integration": "MODELREGISTRY", "jobType": jobType,
		}),
	}}
}

func (w *eventWriter) dataset(n modelregistry.Node) EventDataset {
	d := EventDataset{Namespace: w.namespace, Name: n.Name, Facets: map[string]map[string]any{}}
	place, err := url.Parse(n.Path)
	isURL := err == nil && isURI(n.Path) && place.Host != ""
	switch {
	case n.Kind == modelregistry.ModelVersion:
		d.Name = "models:/" + n.Name + "/" + n.Version
		d.Facets["datasetType"] = w.facet("1-0-1/DatasetTypeDatasetFacet.json", map[string]any{"datasetType": "MODEL"})
	case isURL && strings.Trim(place.Path, "/") != "":
		d.Namespace, d.Name = place.Scheme+"://"+place.Host, strings.Trim(place.Path, "/")
	case n.Kind != modelregistry.Dataset:
		d.Name = string(n.Kind) + "." + n.Name
	}
	if n.Version != "" {
		d.Facets["version"] = w.facet("1-0-1/DatasetVersionDatasetFacet.json", map[string]any{"datasetVersion": n.Version})
	}
	if isURI(n.Path) {
		d.Facets["dataSource"] = w.facet("1-0-1/DatasourceDatasetFacet.json", map[string]any{"name": n.Name, "uri": n.Path})
	}
	if n.Attributes.Len() > 0 {
		var tags []any
		for name, value := range n.Attributes.All() {
			tags = append(tags, map[string]any{"key": name, "value": value, "source": "MODELREGISTRY"})
		}
		d.Facets["tags"] = w.facet("1-0-0/TagsDatasetFacet.json", map[string]any{"tags": tags})
	}
	return d
}

func (w *eventWriter) codeLocation(n modelregistry.Node) map[string]any {
	if n.Kind != modelregistry.CodeCommit || !isURI(n.Path) {
		return nil
	}
	loc := map[string]any{"type": "git", "url": n.Path}
	if n.Version != "" {
		loc["version"] = n.Version
	}
	return w.facet("1-1-0/SourceCodeLocationJobFacet.json", loc)
}

// facet adds what every facet has.
func (w *eventWriter) facet(schema string, members map[string]any) map[string]any {
	members["_producer"], members["_schemaURL"] = w.producer, openLineageFacets+schema
	return members
}

func isURI(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.IsAbs() && (u.Host != "" || u.Path != "" || u.Opaque != "") && uriRE.MatchString(s)
}

// uriRE is what characters a URI may have; url.Parse lets others pass.
var uriRE = regexp.MustCompile(`^[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+$`)

var hexIDRE = regexp.MustCompile(`^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$`)

// runID is a run's own ID in the form of a UUID, or one (version 8, of RFC 9562) made of the node's names.
func runID(n modelregistry.Node) string {
	id := strings.ReplaceAll(n.Name, "-", "")
	if n.Kind != modelregistry.TrainingRun || !hexIDRE.MatchString(n.Name) {
		sum := sha256.Sum256([]byte(key(n)))
		sum[6] = sum[6]&0x0f | 0x80
		sum[8] = sum[8]&0x3f | 0x80
		id = hex.EncodeToString(sum[:16])
	}
	return id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
}
