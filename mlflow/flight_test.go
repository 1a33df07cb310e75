package mlflow

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/blob"
)

// An answer that is written item by item is, byte for byte, what it is as a whole.
func TestAnswersAreWrittenInParts(t *testing.T) {
	tags := []tagJSON{{"k", "v\u2028<"}, {"l", ""}}
	for _, v := range []any{
		nil, struct{}{}, fields{"a": 1}, modelsAnswer{}, modelsAnswer{Next: "x"}, []string{"a"},
		modelsAnswer{Models: []modelJSON{{Name: "m", Tags: tags}, {Name: "n", Latest: []versionJSON{{Name: "n"}}}}, Next: "n"},
		versionsAnswer{Versions: []versionJSON{{Name: "m"}}}, versionsAnswer{Versions: []versionJSON{}},
		artifactsJSON{RootURI: "r", Files: []artifactJSON{{Path: "p"}, {IsDir: true}}},
		runDataJSON{Metrics: []metricJSON{{Key: "k", Value: double(math.NaN())}}, Params: tags},
		struct {
			A []int `json:"a"`
			B []int `json:"b"`
			C *int  `json:"c"`
		}{A: []int{}, B: []int{1, 2}},
	} {
		want, err := json.MarshalIndent(v, "", "  ")
		require.NoError(t, err)
		if v == nil {
			want = []byte("{}")
		}
		w := httptest.NewRecorder()
		writeJSON(w, v)
		require.Equal(t, string(want), w.Body.String())
		require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	}
}

// The text of a long answer is never held as a whole.
func TestAnswersCostAsMuchAsAnItem(t *testing.T) {
	answer := modelsAnswer{}
	for range 200 {
		answer.Models = append(answer.Models, modelJSON{Tags: []tagJSON{{"k", strings.Repeat("x", 100_000)}}})
	}
	held := uint64(0)
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	writeJSON(watched{http.Header{}, func() {
		runtime.GC()
		runtime.ReadMemStats(&now)
		held = max(held, now.HeapAlloc-min(before.HeapAlloc, now.HeapAlloc))
	}}, answer)
	require.Less(t, held, uint64(4<<20), "of 20 MB")
	require.InDelta(t, 200*100_000, weight(reflect.ValueOf(answer)), 100_000)
}

// watched calls a function at each write.
type watched struct {
	header http.Header
	look   func()
}

func (w watched) Header() http.Header         { return w.header }
func (w watched) WriteHeader(int)             {}
func (w watched) Write(p []byte) (int, error) { w.look(); return len(p), nil }

func newHeld(t *testing.T, most int64) (modelregistry.Registry, *httptest.Server) {
	b := memory.New()
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	blobs, err := blob.Open(t.Context(), "mem://")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, blobs.Close()) })
	reg, err := modelregistry.New(t.Context(), b, blobs, nil)
	require.NoError(t, err)
	srv := httptest.NewServer(Handler(reg, &Options{MaxHeld: most}))
	t.Cleanup(srv.Close)
	return reg, srv
}

const searchRunsURL = "/api/2.0/mlflow/runs/search"

// What requests under way hold is bounded together: those that would hold more are told to come again, small ones are answered.
func TestRequestsHoldSoMuchTogether(t *testing.T) {
	_, srv := newHeld(t, 4_500_000)
	post := func(body io.Reader, length int) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+searchRunsURL, body)
		require.NoError(t, err)
		req.ContentLength = int64(length)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp
	}
	long := `{"experiment_ids": [], "x": "` + strings.Repeat("x", 1<<20) + `"}`
	require.Equal(t, http.StatusOK, post(strings.NewReader(long), len(long)).StatusCode)

	body, in := io.Pipe() // one that is under way, and takes its time
	under := make(chan int, 1)
	go func() { under <- post(body, len(long)).StatusCode }()
	_, err := in.Write([]byte(long[:len(long)-10]))
	require.NoError(t, err)
	all := &srv.Config.Handler.(*guard).s.flight
	require.Eventually(t, func() bool {
		all.mu.Lock()
		defer all.mu.Unlock()
		return all.left < 1<<20
	}, 20*time.Second, time.Millisecond)
	resp := post(strings.NewReader(long), len(long))
	require.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
	require.Equal(t, "1", resp.Header.Get("Retry-After"))
	require.Equal(t, http.StatusOK, post(strings.NewReader("{}"), 2).StatusCode)
	_, err = in.Write([]byte(long[len(long)-10:]))
	require.NoError(t, err)
	require.NoError(t, in.Close())
	require.Equal(t, http.StatusOK, <-under)
	require.Equal(t, http.StatusOK, post(strings.NewReader(long), len(long)).StatusCode, "what was held is given back")
}

// An answer is held until the client has it; who changed something gets his whatever others hold.
func TestAnswersThatAreNotReadAreCounted(t *testing.T) {
	reg, srv := newHeld(t, 3<<20)
	tags := map[string]string{}
	for i := range 20 {
		tags[fmt.Sprint("k", i)] = strings.Repeat("x", 100_000)
	}
	_, err := reg.CreateModel(t.Context(), "m", modelregistry.ModelSpec{Tags: tags})
	if err != nil { // if one model may have less, several have it
		for key, value := range tags {
			_, err := reg.CreateModel(t.Context(), key, modelregistry.ModelSpec{Tags: map[string]string{"k": value}})
			require.NoError(t, err)
		}
	}
	s := srv.Config.Handler
	reading, go1 := make(chan bool), make(chan bool)
	ask := func(w http.ResponseWriter) {
		s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/api/2.0/mlflow/registered-models/search", nil))
	}
	first := true
	ended := make(chan bool)
	go func() {
		defer close(ended)
		ask(watched{http.Header{}, func() {
			if first {
				first = false
				close(reading)
				<-go1
			}
		}})
	}()
	<-reading
	w := httptest.NewRecorder()
	ask(w)
	require.Equal(t, http.StatusTooManyRequests, w.Code)
	w = httptest.NewRecorder()
	body := `{"name": "changed", "tags": [{"key": "k", "value": "` + strings.Repeat("x", 90_000) + `"}]}`
	change := httptest.NewRequest(http.MethodPost, "http://localhost/api/2.0/mlflow/registered-models/create", strings.NewReader(body))
	change.Header.Set("Content-Type", "application/json")
	s.ServeHTTP(w, change)
	require.Equal(t, http.StatusOK, w.Code, "%.300s", w.Body)
	close(go1)
	<-ended
	w = httptest.NewRecorder()
	ask(w)
	require.Equal(t, http.StatusOK, w.Code)
}
