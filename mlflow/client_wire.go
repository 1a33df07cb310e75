package mlflow

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// The types in this file are MLflow's JSON as the client reads it.

type remoteTag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// A remoteInt is a whole number; protobuf's own JSON writes it as text, and some servers too.
type remoteInt int64

func (n *remoteInt) UnmarshalJSON(text []byte) error {
	i, err := strconv.ParseInt(strings.Trim(string(text), `"`), 10, 64)
	if err != nil {
		return fmt.Errorf("%.40s is not a whole number", text)
	}
	*n = remoteInt(i)
	return nil
}

func (n remoteInt) time() time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(n)).UTC()
}

// A remoteFloat is a number, or a word for what JSON has no number for.
type remoteFloat float64

func (f *remoteFloat) UnmarshalJSON(text []byte) error {
	n, err := strconv.ParseFloat(strings.Trim(string(text), `"`), 64)
	if err != nil && !math.IsInf(n, 0) {
		return fmt.Errorf("%.40s is not a number", text)
	}
	*f = remoteFloat(n)
	return nil
}

func (f remoteFloat) MarshalJSON() ([]byte, error) {
	switch v := float64(f); {
	case math.IsNaN(v):
		return []byte(`"NaN"`), nil
	case math.IsInf(v, 1):
		return []byte(`"Infinity"`), nil
	case math.IsInf(v, -1):
		return []byte(`"-Infinity"`), nil
	default:
		return strconv.AppendFloat(nil, v, 'g', -1, 64), nil
	}
}

type remoteModel struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Created     remoteInt       `json:"creation_timestamp"`
	Updated     remoteInt       `json:"last_updated_timestamp"`
	Tags        []remoteTag     `json:"tags"`
	Latest      []remoteVersion `json:"latest_versions"`
	Aliases     []struct {
		Alias   string `json:"alias"`
		Version string `json:"version"`
	} `json:"aliases"`
}

type remoteVersion struct {
	Name        string      `json:"name"`
	Version     string      `json:"version"`
	Created     remoteInt   `json:"creation_timestamp"`
	Updated     remoteInt   `json:"last_updated_timestamp"`
	Stage       string      `json:"current_stage"`
	Description string      `json:"description"`
	Source      string      `json:"source"`
	RunID       string      `json:"run_id"`
	Tags        []remoteTag `json:"tags"`
	Aliases     []string    `json:"aliases"`
}

func tagMap(tags []remoteTag) modelregistry.Map[string] {
	m := make(map[string]string, len(tags))
	for _, t := range tags {
		m[t.Key] = t.Value
	}
	return modelregistry.MapOf(m)
}

// tagList is the tags in order of their keys.
func tagList(tags map[string]string) []remoteTag {
	list := make([]remoteTag, 0, len(tags))
	for key, value := range modelregistry.MapOf(tags).All() {
		list = append(list, remoteTag{key, value})
	}
	return list
}

func (m *remoteModel) model() (*modelregistry.Model, error) {
	out := &modelregistry.Model{
		Name: m.Name, Description: m.Description, Tags: tagMap(m.Tags), Created: m.Created.time(), Updated: m.Updated.time(),
	}
	for _, a := range m.Aliases {
		number, err := versionNumber(a.Version)
		if err != nil {
			return nil, err
		}
		if out.Aliases == nil {
			out.Aliases = map[string]int{}
		}
		out.Aliases[a.Alias] = number
	}
	for _, v := range m.Latest {
		number, err := versionNumber(v.Version)
		if err != nil {
			return nil, err
		}
		out.Last = max(out.Last, number)
		stage, err := modelregistry.ParseStage(v.Stage)
		if err != nil {
			return nil, err
		}
		if stage == modelregistry.Staging || stage == modelregistry.Production {
			if out.Holders == nil {
				out.Holders = map[modelregistry.Stage][]int{}
			}
			out.Holders[stage] = []int{number}
		}
	}
	return out, nil
}

func (v *remoteVersion) version() (*modelregistry.Version, error) {
	number, err := versionNumber(v.Version)
	if err != nil {
		return nil, err
	}
	stage := modelregistry.None
	if v.Stage != "" {
		if stage, err = modelregistry.ParseStage(v.Stage); err != nil {
			return nil, err
		}
	}
	out := &modelregistry.Version{
		Model: v.Name, Number: number, Stage: stage, Aliases: modelregistry.SetOf(v.Aliases...), Description: v.Description,
		Tags: tagMap(v.Tags), RunID: v.RunID, Source: v.Source, Created: v.Created.time(), Updated: v.Updated.time(),
	}
	if isWithoutFiles(out.Source) {
		out.Source = ""
	}
	return out, nil
}

func versionNumber(text string) (int, error) {
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 || number > math.MaxInt32 {
		return 0, fmt.Errorf("the server numbers a version %.40q", text)
	}
	return number, nil
}

func versionsOf(list []remoteVersion) ([]*modelregistry.Version, error) {
	out := make([]*modelregistry.Version, 0, len(list))
	for i := range list {
		v, err := list[i].version()
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// latestOf is the version with the highest number, or nil.
func latestOf(versions []*modelregistry.Version) *modelregistry.Version {
	if len(versions) == 0 {
		return nil
	}
	return slices.MaxFunc(versions, func(a, b *modelregistry.Version) int { return a.Number - b.Number })
}

func checkVersionNumber(number int) error {
	if number < 1 || number > math.MaxInt32 {
		return fmt.Errorf("version %d: %w: versions are numbered from 1", number, modelregistry.ErrInvalid)
	}
	return nil
}

func modelText(name string) string { return fmt.Sprintf("model %q", name) }

func versionText(model string, number int) string {
	return fmt.Sprintf("version %d of model %q", number, model)
}

func versionRef(model string, number int) string { return model + "/" + strconv.Itoa(number) }
