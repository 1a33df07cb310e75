package mlflow_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/mlflow"
)

var codeRE = regexp.MustCompile(`％[0-9A-F]{2}`)

// nameParts are what is misread by somebody between a file and a client.
var nameParts = []string{
	"a", "B", "é", "模", "🙂", " ", ".", "..", "-", "_", "+", "~", "%", "%%", "%2", "%20", "%2F", "%2f", "%25", "%2525", "%00", "%41", "%C3%A9", "%zz", "20",
	"%step%20%timestamp%1730000000%", `\`, "#", "?", "&", "=", ";", ":", "@", "!", "$", "'", `"`, "(", ")", "*", ",", "[", "]", "{", "}", "<", ">", "|", "^", "`",
	"http:", "C:", "c:", "file:", "Model:", "mlflow-artifacts:", "％", "％25", "％2F", "％EF％BC％85", "％C3", "x", "25", "a%20b", "a?b", "\u00a0", "\u200d",
}

// randomName is a name that a file can have.
func randomName(rng *rand.Rand) string {
	for {
		var b strings.Builder
		for range 1 + rng.IntN(5) {
			b.WriteString(nameParts[rng.IntN(len(nameParts))])
		}
		if name := b.String(); name != "." && name != ".." && utf8.ValidString(name) {
			return name
		}
	}
}

// randomTree is a tree of files, each with its path for content.
func randomTree(seed uint64, files int) fstest.MapFS {
	rng := rand.New(rand.NewPCG(seed, 7))
	tree := fstest.MapFS{}
	dirs := []string{"", "a%20b", "%", "sub"}
	for range 3 {
		dirs = append(dirs, "dir "+randomName(rng))
	}
	for len(tree) < files {
		name := path.Join(dirs[rng.IntN(len(dirs))], randomName(rng))
		taken := false
		for other := range tree { // by a directory, or as one
			taken = taken || strings.HasPrefix(other, name+"/") || strings.HasPrefix(name, other+"/")
		}
		if !taken {
			tree[name] = &fstest.MapFile{Data: []byte(name)}
		}
	}
	return tree
}

// What is registered from Go is listed and read by the Go client, whatever it is called, and can be put by it.
func TestEveryNameThatIsListedCanBeRead(t *testing.T) {
	s := newServer(t, nil)
	c := newClient(t, s.url, nil)
	tree := randomTree(1, 400)
	_, err := s.reg.Register(t.Context(), "m", modelregistry.VersionSpec{Files: tree})
	require.NoError(t, err)
	require.NoError(t, s.reg.LogArtifacts(t.Context(), "logged", tree, nil))
	v, err := c.Version(t.Context(), "m", 1)
	require.NoError(t, err)
	for where, fsys := range map[string]fs.FS{"version": c.Files(t.Context(), v), "artifacts": c.Artifacts(t.Context(), "logged")} {
		found := 0
		require.NoError(t, fs.WalkDir(fsys, ".", func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			found++
			content, err := fs.ReadFile(fsys, name)
			require.Equal(t, name, string(content), where)
			return err
		}))
		require.Equal(t, len(tree), found, where)
	}
	for name := range tree {
		_, err := c.PutArtifact(t.Context(), "put/"+name, strings.NewReader(name))
		require.NoError(t, err, name)
		f, err := s.reg.OpenArtifact(t.Context(), "put/"+name)
		require.NoError(t, err, name)
		require.NoError(t, f.Close())
		require.NoError(t, c.DeleteArtifacts(t.Context(), "put/"+name))
	}
}

// The form in which a name is told comes back as that name and no other, and is nothing that MLflow's clients change.
func TestNamesOnTheWire(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	told := map[string]string{}
	for range 50_000 {
		name := randomName(rng)
		wire := mlflow.WireName(name)
		require.Equal(t, name, mlflow.StoredName(wire))
		require.True(t, mlflow.ComesThrough(codeRE.ReplaceAllString(wire, "xx")), wire)
		other, twice := told[wire]
		require.True(t, !twice || other == name, "%q and %q are both told as %q", name, other, wire)
		told[wire] = name
	}
	for name, wire := range map[string]string{
		"weights.bin": "weights.bin", "100%.txt": "100%.txt", "50%off": "50%off", "a b": "a b", "step:1": "step:1", "p;q": "p;q", "％": "％",
		"a%20b": "a％2520b", "95%CI_25%30.png": "95％25CI_25％2530.png", `a\b`: "a％5Cb", "a#b": "a％23b", "a?b": "a％3Fb", " a": "％20a", "Model:a": "Model％3Aa",
		"file:a": "file％3Aa", "a\x1b[2J": "a％1B[2J", "％25": "％EF％BC％8525",
	} {
		require.Equal(t, wire, mlflow.WireName(name))
	}
}

// Paths that only need cleaning mean what they are without it.
func TestPathsAreCleaned(t *testing.T) {
	s := newServer(t, nil)
	run, err := s.reg.StartRun(t.Context(), modelregistry.RunSpec{})
	require.NoError(t, err)
	v, err := s.reg.Register(t.Context(), "m", modelregistry.VersionSpec{Files: fstest.MapFS{"model/top.txt": {Data: []byte("top")}}})
	require.NoError(t, err)
	_, err = s.reg.PutArtifact(t.Context(), run.ArtifactPath("model/top.txt"), strings.NewReader("top"))
	require.NoError(t, err)
	version := fmt.Sprintf("registry/%s/%d", v.ModelID, v.Number)
	for _, p := range []string{"model/top.txt", "./model/top.txt", "model/./top.txt", "model//top.txt", ".//model/.//./top.txt", "model/%2e/top.txt", "model%2f%2ftop.txt"} {
		for _, root := range []string{run.Artifacts, version} {
			require.Equal(t, "top", string(s.get(artifactsURL+"/"+root+"/"+p).body), "%s/%s", root, p)
		}
		if strings.Contains(p, "%") {
			continue
		}
		require.Equal(t, "top", string(s.get("/get-artifact", "run_id", run.ID, "path", p).body), p)
		require.Equal(t, "top", string(s.get("/model-versions/get-artifact", "name", "m", "version", "1", "path", p).body), p)
	}
	for _, p := range []string{"model", "model/", "./model", "model/.", ".//model//", "model//./"} {
		for _, root := range []string{run.Artifacts, version} {
			require.Equal(t, []string{"top.txt 3"}, s.names(root+"/"+p), p)
		}
		list := s.get("artifacts/list", "run_id", run.ID, "path", p).ok()
		require.Equal(t, "model/top.txt", list["files"].([]any)[0].(fields)["path"], p)
	}
	for _, p := range []string{".", "./", "", "./.", "/"} {
		require.Equal(t, []string{"model/"}, s.names(run.Artifacts+"/"+p), p)
	}
	for _, p := range []string{"", ".", "./"} {
		list := s.get("artifacts/list", "run_id", run.ID, "path", p).ok()
		require.Equal(t, "model", list["files"].([]any)[0].(fields)["path"], p)
	}
	s.do(http.MethodPut, artifactsURL+"/"+run.Artifacts+"/./new//f", "new").ok()
	require.Equal(t, []string{"f 3"}, s.names(run.Artifacts+"/new"))
	s.do(http.MethodDelete, artifactsURL+"/"+run.Artifacts+"//./new/", nil).ok()
	require.Empty(t, s.names(run.Artifacts+"/new"))
}

// MLflow's own server tells names as they are and knows no others: what it lists can be read from it too.
func TestNamesOfMLflowsOwnServerAreLeftAlone(t *testing.T) {
	tree := fstest.MapFS{}
	for name, file := range randomTree(5, 100) {
		if !codeRE.MatchString(name) { // which the client takes for what Handler tells
			tree["0/a%20b/"+name] = file
		}
	}
	for _, name := range []string{" lead.txt", "Model:a", "95%CI_25%30.png", "a?b", `a\b`, "http:a", "a\x17b.png", "dir%20x/y;"} {
		tree["0/a%20b/"+name] = &fstest.MapFile{Data: []byte(name)}
	}
	served := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, file := strings.CutPrefix(r.URL.Path, artifactsURL+"/")
		if file {
			http.ServeFileFS(w, r, fstest.MapFS{"file": tree[name]}, "file")
			return
		}
		type listed struct {
			Path  string `json:"path"`
			IsDir bool   `json:"is_dir"`
			Size  int    `json:"file_size"`
		}
		files := []listed{}
		entries, _ := fs.ReadDir(tree, r.URL.Query().Get("path")) // of what is not there MLflow lists nothing
		for _, e := range entries {
			info, err := e.Info()
			if err != nil {
				t.Error(err)
				return
			}
			files = append(files, listed{e.Name(), e.IsDir(), int(info.Size())})
		}
		if err := json.NewEncoder(w).Encode(map[string]any{"files": files}); err != nil {
			t.Error(err)
		}
	}))
	defer served.Close()
	c := newClient(t, served.URL, nil)
	fsys := c.Artifacts(t.Context(), "0/a%20b")
	read := 0
	require.NoError(t, fs.WalkDir(fsys, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		read++
		content, err := fs.ReadFile(fsys, name)
		require.Equal(t, name, string(content))
		return err
	}))
	require.Equal(t, len(tree), read)
	page, err := c.ListArtifacts(t.Context(), "0/a%20b/dir%20x", modelregistry.Query{})
	require.NoError(t, err)
	require.Equal(t, []modelregistry.Artifact{{Name: "y;", Size: int64(len("dir%20x/y;"))}}, page.Artifacts)
}
