package modelregistry

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
)

func fullVersion() *Version {
	at := time.Date(2024, 5, 6, 7, 8, 9, 123456000, time.UTC)
	return &Version{
		Model: "Iris", ModelID: "id", Number: 3, Stage: Production, StageSince: at, Aliases: SetOf("champion", "best"),
		Semver: Semver{Major: 1, Minor: 2, Patch: 3, Prerelease: "rc.1", Build: "b"}, Description: "Größe ≥ 5",
		Tags: MapOf(map[string]string{"team": "a", "risk class": "low"}), Params: MapOf(map[string]string{"depth": "3"}),
		Metrics: MapOf(map[string]float64{"a": 0.1, "b": 1e300, "c": -5e-324, "d": math.Inf(1), "e": math.Inf(-1), "f": 12}),
		RunID:   "run", Source: "s3://x", Digest: "sha256:00", Size: 1 << 40, FileCount: 2, CreatedBy: "ann", Created: at, Updated: at.Add(time.Second),
	}
}

func TestVersionsAreScannedAsTheyWereWritten(t *testing.T) {
	for _, want := range []*Version{fullVersion(), {}, {Model: "Iris", Number: 1, Stage: None}} {
		doc, err := json.Marshal(want)
		require.NoError(t, err)
		got := new(Version)
		require.True(t, got.scan(doc), "%s", doc)
		require.Equal(t, want, got)
	}
}

func TestWhatIsNotScannedIsDecoded(t *testing.T) {
	want := fullVersion()
	want.Description = "quotes \" and \\ and <&> and\nlines"
	doc, err := json.Marshal(want)
	require.NoError(t, err)
	got, err := decodeVersion(backend.Row{Doc: doc})
	require.NoError(t, err)
	require.Equal(t, want, got)
	_, err = decodeVersion(backend.Row{Doc: []byte(`{"number":"x"}`)})
	require.ErrorIs(t, err, ErrCorrupt)
}

// Whatever is scanned, encoding/json reads in the same way.
func FuzzVersionScan(f *testing.F) {
	doc, err := json.Marshal(fullVersion())
	require.NoError(f, err)
	f.Add(doc)
	for _, seed := range []string{
		`{}`, `{"aliases":[]}`, `{"aliases":["a","b"],"aliases":["c"]}`, `{"tags":{}}`, `{"tags":{"a":"b"},"tags":{}}`,
		`{"metrics":{"a":0,"b":-0,"c":1.5e+06,"d":01,"e":"Infinity"}}`, `{"number":-1,"size":-0}`, `{"number":1.0}`,
		`{"created":"2024-01-01T00:00:00+02:00"}`, `{"semver":""}`, `{"model":"` + "\xff" + `"}`, `{"model":null}`, `{"model":"a"`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		got := new(Version)
		if !got.scan(doc) {
			return
		}
		want := new(Version)
		require.NoError(t, json.Unmarshal(doc, want))
		require.Equal(t, want, got)
	})
}

// Of what json.Marshal writes, the members are those that encoding/json finds.
func FuzzJSONMembers(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1,"b":"x\\\",}{","c":[{},"]"],"d":{"e":null}}`, `{"größe":true,"\u003c":-1e5}`, `[]`, `null`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		var v any
		if json.Unmarshal(doc, &v) != nil {
			return
		}
		written, err := json.Marshal(v)
		require.NoError(t, err)
		got, ok := jsonMembers(written)
		if !ok {
			return
		}
		want := map[string]json.RawMessage{}
		require.NoError(t, json.Unmarshal(written, &want))
		require.Equal(t, want, got)
	})
}

func TestMembersOfVersions(t *testing.T) {
	v := fullVersion()
	v.Description = "quotes \" and \\ and {}[]<&>"
	doc, err := json.Marshal(v)
	require.NoError(t, err)
	got, ok := jsonMembers(doc)
	require.True(t, ok)
	want := map[string]json.RawMessage{}
	require.NoError(t, json.Unmarshal(doc, &want))
	require.Equal(t, want, got)
}

func BenchmarkDecodeVersion(b *testing.B) {
	v := &Version{
		Model: "model-000001", ModelID: newID(), Number: 90, Stage: Production, StageSince: time.Now().UTC(), Aliases: SetOf("champion"),
		Tags: MapOf(map[string]string{"cohort": "cohort-0001", "framework": "onnx"}), CreatedBy: "trainer", Created: time.Now().UTC(), Updated: time.Now().UTC(),
	}
	doc, err := json.Marshal(v)
	require.NoError(b, err)
	b.Run("scan", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if !new(Version).scan(doc) {
				b.Fatal()
			}
		}
	})
	b.Run("json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := json.Unmarshal(doc, new(Version)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
