package mlflow_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
)

const artifactsURL = "/api/2.0/mlflow-artifacts/artifacts"

func digestOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// names lists a directory through the proxy: directories end in a slash, files have their size behind.
func (s *testServer) names(dir string) []string {
	s.t.Helper()
	var list struct {
		Files []struct {
			Path  string
			IsDir bool  `json:"is_dir"`
			Size  int64 `json:"file_size"`
		}
	}
	s.get(artifactsURL, "path", dir).into(&list)
	var out []string
	for _, f := range list.Files {
		if f.IsDir {
			out = append(out, f.Path+"/")
		} else {
			out = append(out, fmt.Sprint(f.Path, " ", f.Size))
		}
	}
	return out
}

func TestArtifactsAreStoredListedReadAndDeleted(t *testing.T) {
	s := newServer(t, nil)
	require.JSONEq(t, "{}", string(s.do(http.MethodPut, artifactsURL+"/0/run/artifacts/model/MLmodel", "flavors: {}").body))
	s.do(http.MethodPut, artifactsURL+"/0/run/artifacts/model/MLmodel", "flavors: {a: b}").ok()
	s.do(http.MethodPut, "/ajax-api/2.0/mlflow-artifacts/artifacts/0/run/artifacts/a%20b+c;d&e.txt", "other root").ok()

	require.Equal(t, []string{"a b+c;d&e.txt 10", "model/"}, s.names("0/run/artifacts"))
	require.Equal(t, []string{"MLmodel 15"}, s.names("0/run/artifacts/model/"))
	require.Equal(t, []string{"0/"}, s.names("."))
	for _, none := range []string{"nope", "0/run/artifacts/model/MLmodel"} {
		require.Equal(t, "{}", string(s.get(artifactsURL, "path", none).body))
	}

	got := s.get(artifactsURL + "/0/run/artifacts/model/MLmodel")
	require.Equal(t, "flavors: {a: b}", string(got.body))
	require.Equal(t, `"`+digestOf("flavors: {a: b}")+`"`, got.header.Get("ETag"))
	require.Contains(t, got.header.Get("Last-Modified"), "31 May 2024")
	require.Equal(t, "bytes", got.header.Get("Accept-Ranges"))
	head := s.do(http.MethodHead, artifactsURL+"/0/run/artifacts/model/MLmodel", nil)
	require.Equal(t, http.StatusOK, head.status)
	require.Equal(t, "15", head.header.Get("Content-Length"))
	require.Empty(t, head.body)

	gone := artifactsURL + "/0/run/artifacts/model"
	s.get(gone).fails(400, "INVALID_PARAMETER_VALUE", "artifact 0/run/artifacts/model: invalid: it is a directory")
	s.do(http.MethodDelete, gone+"/", nil).ok() // as clients name all of a run's files
	s.do(http.MethodDelete, gone, nil).ok()
	s.get(gone+"/MLmodel").fails(404, "RESOURCE_DOES_NOT_EXIST", "No such artifact: '0/run/artifacts/model/MLmodel'")
	require.Equal(t, []string{"a b+c;d&e.txt 10"}, s.names("0/run/artifacts"))
}

func TestArtifactsWhereAFileOrADirectoryIsInTheWay(t *testing.T) {
	s := newServer(t, nil)
	s.do(http.MethodPut, artifactsURL+"/dir/file", "x").ok()
	for path, status := range map[string]int{"/dir": 400, "/dir/file/below": 400, "/dir/": 400, "/": 400, "": 400} {
		require.Equal(t, status, s.do(http.MethodPut, artifactsURL+path, "y").status, path)
	}
	require.Equal(t, 400, s.do(http.MethodDelete, artifactsURL, nil).status)
	require.Equal(t, 400, s.do(http.MethodPut, artifactsURL+"/"+strings.Repeat("long/", 300)+"name", "y").status)
	require.Equal(t, []string{"file 1"}, s.names("dir"))

	part, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.url+artifactsURL+"/dir/file", strings.NewReader("z"))
	require.NoError(t, err)
	part.Header.Set("Content-Range", "bytes 0-0/2")
	s.send(part).fails(400, "INVALID_PARAMETER_VALUE", "A file is stored as a whole, without Content-Range.")
}

func TestArtifactsInRangesAndOnConditions(t *testing.T) {
	s := newServer(t, nil)
	content := strings.Repeat("0123456789", 20_000)
	s.do(http.MethodPut, artifactsURL+"/f", content).ok()
	tag := `"` + digestOf(content) + `"`
	for _, c := range []struct {
		header, value string
		status        int
		want          string
	}{
		{"Range", "bytes=5-9", 206, "56789"},
		{"Range", "bytes=100000-100004", 206, "01234"},
		{"Range", "bytes=-3", 206, "789"},
		{"Range", "bytes=199999-", 206, "9"},
		{"Range", "bytes=200000-", 416, ""},
		{"Range", "bytes=x", 416, ""},
		{"Range", "lines=1-2", 416, ""},
		{"Range", "bytes=0-0" + strings.Repeat(",5-5", 20), 200, content},
		{"If-None-Match", tag, 304, ""},
		{"If-None-Match", `"other"`, 200, content},
		{"If-Match", `"other"`, 412, ""},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+artifactsURL+"/f", nil)
		require.NoError(t, err)
		req.Header.Set(c.header, c.value)
		got := s.send(req)
		require.Equal(t, c.status, got.status, c.value)
		if c.want != "" {
			require.True(t, c.want == string(got.body), "%s: %.100s", c.value, got.body)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+artifactsURL+"/f", nil)
	require.NoError(t, err)
	req.Header.Set("Range", "bytes=150000-150001,3-4")
	several := s.send(req)
	require.Equal(t, 206, several.status)
	require.Contains(t, several.header.Get("Content-Type"), "multipart/byteranges")
	require.Contains(t, string(several.body), "\r\n\r\n01\r\n")
	require.Contains(t, string(several.body), "\r\n\r\n34\r\n")
}

// A name is what is left when the URL is unquoted once.
func TestArtifactNamesAreUnquotedOnce(t *testing.T) {
	s := newServer(t, nil)
	for quoted, name := range map[string]string{
		"100%25.txt":         "100%.txt",
		"50%25off":           "50%off",
		"a%252fb":            "a%2fb",
		"%E6%A8%A1%E5%9E%8B": "模型",
		"a..b":               "a..b",
		"%252e":              "%2e",
		"...":                "...",
		"what%3F":            "what?",
		"p;q=1":              "p;q=1",
		"break%22":           `break"`,
	} {
		s.do(http.MethodPut, artifactsURL+"/names/"+quoted, name).ok()
		f, err := s.reg.OpenArtifact(t.Context(), "names/"+name)
		require.NoError(t, err, name)
		require.NoError(t, f.Close())
		got := s.get(artifactsURL + "/names/" + quoted)
		require.Equal(t, name, string(got.body))
		require.True(t, strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment; filename"), "%q", got.header)
	}
	require.Len(t, s.names("names"), 10)
	for _, name := range []string{"%23", "a%5cb", "a/"} {
		s.do(http.MethodPut, artifactsURL+"/names/"+name, "x").fails(400, "INVALID_PARAMETER_VALUE", "Invalid path")
	}
	for _, name := range []string{"line%0Abreak", "%1b%5B2J", "%7f", "a/%C2%9B/b", "％1B"} {
		got := s.do(http.MethodPut, artifactsURL+"/names/"+name, "x")
		require.Equal(t, 400, got.status, name)
		require.Contains(t, string(got.body), "control characters")
	}
	require.Len(t, s.names("names"), 10)
}

func TestArtifactsOfAVersionCanBeReadAndNotChanged(t *testing.T) {
	s := newServer(t, nil)
	v, err := s.reg.Register(t.Context(), "m", modelregistry.VersionSpec{Files: fstest.MapFS{
		"MLmodel": {Data: []byte("flavors: {}")}, "data/weights#1.bin": {Data: []byte("weights")}}})
	require.NoError(t, err)
	_, err = s.reg.RenameModel(t.Context(), "m", "renamed", nil)
	require.NoError(t, err)
	root := fmt.Sprintf("registry/%s/%d", v.ModelID, v.Number)

	require.Equal(t, []string{"MLmodel 11", "data/"}, s.names(root))
	require.Equal(t, []string{"weights％231.bin 7"}, s.names(root+"/data"))
	require.Equal(t, "weights", string(s.get(artifactsURL+"/"+root+"/data/weights％231.bin").body))
	got := s.get(artifactsURL + "/" + root + "/data/weights%231.bin")
	require.Equal(t, "weights", string(got.body))
	require.Equal(t, `"`+digestOf("weights")+`"`, got.header.Get("ETag"))
	got = s.get("/model-versions/get-artifact", "name", "renamed", "version", "1", "path", "data/weights#1.bin")
	require.Equal(t, "weights", string(got.body))

	for _, none := range []string{"registry", "registry/nope/1", "registry/" + v.ModelID, root + "0", root + "/nope", root + "/MLmodel", "registry/" + v.ModelID + "/01"} {
		require.Equal(t, "{}", string(s.get(artifactsURL, "path", none).body), none)
	}
	require.Equal(t, 404, s.get(artifactsURL+"/"+root+"/nope").status)
	require.Equal(t, 404, s.get(artifactsURL+"/registry/nope/1/MLmodel").status)
	require.Equal(t, 400, s.get(artifactsURL+"/"+root+"/data").status)
	for _, method := range []string{http.MethodPut, http.MethodDelete} {
		for _, path := range []string{"registry", root, root + "/MLmodel", "registry/x"} {
			s.do(method, artifactsURL+"/"+path, "x").fails(403, "PERMISSION_DENIED",
				"What is below registry/ are the files of registered versions, which never change.")
		}
	}
	require.Equal(t, []string{"MLmodel 11", "data/"}, s.names(root))
}

func TestArtifactsOfRunsAndLoggedModels(t *testing.T) {
	s := newServer(t, nil)
	run, err := s.reg.StartRun(t.Context(), modelregistry.RunSpec{})
	require.NoError(t, err)
	m, err := s.reg.CreateLoggedModel(t.Context(), modelregistry.LoggedModelSpec{})
	require.NoError(t, err)
	for path, content := range map[string]string{run.ArtifactPath("plots/roc.svg"): "<svg/>", m.Artifacts + "/MLmodel": "flavors"} {
		_, err := s.reg.PutArtifact(t.Context(), path, strings.NewReader(content))
		require.NoError(t, err)
	}
	for _, key := range []string{"run_id", "run_uuid"} {
		require.Equal(t, "<svg/>", string(s.get("/get-artifact", key, run.ID, "path", "plots/roc.svg").body))
	}
	model := "/ajax-api/2.0/mlflow/logged-models/" + m.ID + "/artifacts/files"
	require.Equal(t, "flavors", string(s.get(model, "artifact_file_path", "MLmodel").body))

	s.get("/get-artifact", "run_id", run.ID, "path", "nope").fails(404, "RESOURCE_DOES_NOT_EXIST", "No such artifact: 'nope'")
	s.get("/get-artifact", "run_id", run.ID, "path", "../x").fails(400, "INVALID_PARAMETER_VALUE", "Invalid path")
	require.Equal(t, 404, s.get("/get-artifact", "run_id", strings.Repeat("0", 32), "path", "x").status)
	require.Equal(t, 400, s.get("/get-artifact", "path", "x").status)
	require.Equal(t, 400, s.get(model).status)
}

// MLflow's client uploads a file as a whole if, and only if, it is told so in these words.
func TestArtifactsAreNotUploadedInParts(t *testing.T) {
	s := newServer(t, nil)
	for _, step := range []string{"create", "complete", "abort"} {
		for _, path := range []string{"", "/", "/0/run/artifacts"} {
			s.post("/api/2.0/mlflow-artifacts/mpu/"+step+path, fields{"path": "f", "num_parts": 2}).
				fails(501, "NOT_IMPLEMENTED", "Multipart upload is not supported for the current artifact repository")
		}
	}
	require.Equal(t, 501, s.get("/api/2.0/mlflow-artifacts/presigned/0/run/artifacts/f").status)
	require.Equal(t, false, s.get("/api/3.0/mlflow/server-info").ok()["multipart_uploads_enabled"])
}

func TestListingADirectoryOfManyPages(t *testing.T) {
	s := newServer(t, nil)
	files := fstest.MapFS{}
	for i := range 2500 {
		files[fmt.Sprintf("%04d", i)] = &fstest.MapFile{}
	}
	require.NoError(t, s.reg.LogArtifacts(t.Context(), "many", files, nil))
	names := s.names("many")
	require.Len(t, names, 2500)
	require.Equal(t, "0000 0", names[0])
	require.Equal(t, "2499 0", names[2499])
	require.NotContains(t, string(s.get(artifactsURL, "path", "many").body), "file_size")
}

func TestDocsListWhatIsSpoken(t *testing.T) {
	s := newServer(t, nil)
	docs := s.get("/docs")
	require.Equal(t, "text/plain; charset=utf-8", docs.header.Get("Content-Type"))
	require.Equal(t, "nosniff", docs.header.Get("X-Content-Type-Options"))
	require.Regexp(t, `(?m)^PUT +/api/2\.0/mlflow-artifacts/artifacts/\{path\.\.\.\} +store a file$`, string(docs.body))
	require.Regexp(t, `(?m)^GET +/health +`, string(docs.body))
	for _, line := range bytes.Split(bytes.TrimSpace(docs.body), []byte("\n"))[2:] {
		require.GreaterOrEqual(t, len(bytes.Fields(line)), 3, "%s", line)
	}
}
