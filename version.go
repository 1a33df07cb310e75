package modelregistry

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/modelregistry-go/modelregistry/backend"
)

// A Version is one registered version of a model. It is a snapshot, safe to share between goroutines: changing it
// changes nothing in the registry.
type Version struct {
	Model   string `json:"model"`
	ModelID string `json:"model_id"`
	Number  int    `json:"number"` // 1, 2, 3 …; never used again
	Stage   Stage  `json:"stage"`
	// StageSince is when it came into its stage.
	StageSince  time.Time    `json:"stage_since"`
	Aliases     Set          `json:"aliases,omitzero"`
	Semver      Semver       `json:"semver,omitzero"` // zero if it was given none
	Description string       `json:"description,omitempty"`
	Tags        Map[string]  `json:"tags,omitzero"`
	Params      Map[string]  `json:"params,omitzero"`
	Metrics     Map[float64] `json:"metrics,omitzero"`
	RunID       string       `json:"run_id,omitempty"` // the training run that made it
	Source      string       `json:"source,omitempty"` // where its files came from; for people, never opened
	// Digest is over all its files (path, size and SHA-256 of each): "sha256:…"; "" if it has none.
	Digest    string    `json:"digest,omitempty"`
	Size      int64     `json:"size,omitempty"`  // of all its files, in bytes
	FileCount int       `json:"files,omitempty"` // how many
	CreatedBy string    `json:"created_by,omitempty"`
	Created   time.Time `json:"created"`
	Updated   time.Time `json:"updated"` // when it was described, or moved; as in MLflow, tags and aliases do not count

	files []File // of what a run left: no list is stored of those
}

// errNilVersion answers a call whose version is nil.
var errNilVersion = fmt.Errorf("%w: the version is nil; give one that Register, Version or Resolve has returned", ErrInvalid)

// checkGiven refuses a version that no registry has returned: what it says is not what is stored.
func checkGiven(v *Version) error {
	switch {
	case v == nil:
		return errNilVersion
	case v.Number != 0 && v.ModelID == "":
		return fmt.Errorf("version %s: %w: it has no ModelID; give one that Register, Version or Resolve has returned", v.Ref(), ErrInvalid)
	}
	return nil
}

// Ref names the version for messages and logs: "IrisClassifier/3". That of what a run left is its URI, that of nil is "".
func (v *Version) Ref() string {
	switch {
	case v == nil:
		return ""
	case v.Number == 0:
		return v.Source
	}
	return versionRef(v.Model, v.Number)
}

// URI is the models:/ URI of exactly this version: "models:/IrisClassifier/3"; or the runs:/ URI of what a run left.
func (v *Version) URI() string {
	if v.Number == 0 {
		return v.Source
	}
	return "models:/" + v.Ref()
}

// Node is the version in the lineage; what a run left is there as the run.
func (v *Version) Node() Node {
	if v.Number == 0 {
		return Node{Kind: TrainingRun, Name: v.RunID}
	}
	return Node{Kind: ModelVersion, Name: v.Model, Version: strconv.Itoa(v.Number)}
}

func versionRef(model string, number int) string { return model + "/" + strconv.Itoa(number) }

// VersionSpec describes a version to register. The zero value registers a version without files.
type VersionSpec struct {
	// Files are the model's files, all regular files below the root. Symbolic links are followed to regular files
	// inside the tree and refused otherwise. Nil: none. ErrInvalid: there are none below the root.
	Files fs.FS
	// Artifacts, instead of Files, is a directory among the registry's artifacts (see ArtifactStore and Run.ArtifactPath),
	// or one file, which the version then has under its last element. The version gets the files as they are at that
	// moment, and no byte is copied. ErrNotFound: there are none. ErrCorrupt: the store has lost their content.
	Artifacts string
	// CopyOf, instead of Files, is the URI of a version: the new one gets the same files, and no byte is copied, is
	// derived-from it, and has nothing else of it. ErrCorrupt: the store has lost their content. See CopyVersion.
	CopyOf string
	// ExistingModel says that the model has to be there: it is not created but ErrNotFound.
	ExistingModel bool
	// Semver is the semantic version, "1.2.0" or "v1.2.0". Or leave it out and say which part of the model's newest
	// semantic version to Bump; a model that has none begins at 1.0.0. BumpAuto finds out which from the Signature.
	// A *SmallBump: it goes less far than the Signature changes from that of the highest release below it.
	Semver string
	Bump   Bump
	// AllowSmallBump lets a semantic version pass that does not go as far as the Signature changes; it needs a Reason.
	AllowSmallBump bool

	Signature  *Signature  // what the model takes and returns
	Provenance *Provenance // how it was made; the commit goes into the lineage too
	Serving    *Serving    // how it is to be served

	Description string
	Tags        map[string]string
	Params      map[string]string
	Metrics     map[string]float64
	// Aliases move to the new version, from whoever has them, as it appears.
	Aliases []string
	// RunID is the training run; if the registry has it, the version is produced-by it in the lineage. ErrNotFound: it looks
	// like the ID of a run of the registry, 32 hexadecimal digits, and is none's.
	RunID      string
	ForeignRun bool   // RunID is of another tracking server's run, whatever it looks like
	Source     string // where the files came from; kept, never opened
	// Lineage is what the version came from: an edge from the new version to each.
	Lineage []Origin
	Reason  string // kept in the event
	// VerifyStored reads content that the store has already to its end, and stores anew what is not right. Without it, content
	// that the store has is compared in part (see blob.Store.Put). errors.ErrUnsupported: the Blobs are no VerifyBlobs.
	VerifyStored bool
	// Progress, if not nil, is called while files are stored, one call at a time.
	Progress func(Progress)

	encoded map[string][]byte // the facts, by kind
	copied  bool              // from another version, which was checked
}

// Progress is how far a transfer has come.
type Progress struct {
	Done  int64  // bytes stored so far
	Total int64  // bytes in all
	File  string // the file that is being stored
}

// VersionPatch changes a version's descriptive fields. Nil fields and absent names are left as they are. Files, params,
// metrics, and where the version came from never change.
type VersionPatch struct {
	Description *string
	SetTags     map[string]string
	DeleteTags  []string // that one is not there is no error
	Reason      string   // kept in the event
}

func decodeVersion(row backend.Row) (*Version, error) {
	v := new(Version)
	if v.scan(row.Doc) {
		return v, nil
	}
	*v = Version{}
	if err := json.Unmarshal(row.Doc, v); err != nil {
		return nil, fmt.Errorf("row of version %v: %w: %w", row.Key, ErrCorrupt, err)
	}
	return v, nil
}

func versionKey(model string, number int) backend.Key {
	return backend.Key{backend.StringValue(model), backend.IntValue(int64(number))}
}

func (v *Version) row() (backend.Row, error) {
	doc, err := json.Marshal(v)
	if err != nil {
		return backend.Row{}, fmt.Errorf("encode version: %w", err)
	}
	if err := checkBytes(fmt.Sprintf("version %s with its tags, params and metrics", v.Ref()), len(doc), maxRow); err != nil {
		return backend.Row{}, err
	}
	metrics := make(map[string]backend.Value, v.Metrics.Len())
	for name, value := range v.Metrics.All() {
		metrics[name] = backend.FloatValue(value)
	}
	return backend.Row{
		Key: versionKey(v.Model, v.Number),
		Fields: map[string]any{
			"stage":   backend.StringValue(v.Stage.column()),
			"semver":  backend.StringValue(v.Semver.SortKey()),
			"digest":  backend.StringValue(v.Digest),
			"run":     backend.StringValue(v.RunID),
			"created": backend.TimeValue(v.Created),
			"updated": backend.TimeValue(v.Updated),
			"aliases": v.Aliases.members,
			"tags":    stringField(v.Tags),
			"params":  stringField(v.Params),
			"metrics": metrics,
		},
		Doc: doc,
	}, nil
}
