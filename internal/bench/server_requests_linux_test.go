package bench_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/internal/stores"
)

// served is how many versions the servers have.
const served = 10_000

// filled are both servers, with served versions in models of perModel. Ours are loaded as everywhere in this package;
// MLflow's are rows that mlflow_peer.py writes by MLflow's own classes, for 10,000 requests would take it minutes.
func filled(b *testing.B) (ours, theirs *server) {
	dir := b.TempDir()
	backend := open(b, stores.SQLite, filepath.Join(dir, "registry.db"))
	load(b, backend, served/perModel)
	require.NoError(b, backend.Close())
	ours = startOurs(b, dir)

	dir = b.TempDir()
	peer := exec.Command(os.Getenv("BENCH_MLFLOW_PYTHON"), "mlflow_peer.py", filepath.Join(dir, "mlflow.db"),
		strconv.Itoa(served/perModel), strconv.Itoa(perModel))
	out, err := peer.CombinedOutput() // it ends with its input, which is empty
	require.NoError(b, err, string(out))
	return ours, startMLflow(b, dir)
}

// ask sends a request with a query or a JSON object, and reads the answer.
func (s *server) ask(client *http.Client, method, path string, fields map[string]any) error {
	target, body := s.url+"/api/2.0/mlflow/"+path, io.Reader(nil)
	if method == http.MethodGet {
		query := url.Values{}
		for key, value := range fields {
			query.Set(key, fmt.Sprint(value))
		}
		target += "?" + query.Encode()
	} else {
		text, err := json.Marshal(fields)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, target, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s %s: %s: %s", s.name, method, path, resp.Status, text)
	}
	return err
}

func someModel() string { return modelName(rand.IntN(served / perModel)) }

// requests are what is asked of both servers. First what reads, for a search finds as many versions as there are.
var requests = []struct {
	what, method, path string
	fields             func() map[string]any
}{
	{"get by alias", http.MethodGet, "registered-models/alias", func() map[string]any {
		return map[string]any{"name": someModel(), "alias": "champion"}
	}},
	{"get-latest-versions", http.MethodPost, "registered-models/get-latest-versions", func() map[string]any {
		return map[string]any{"name": someModel(), "stages": []string{"Production"}}
	}},
	{"search page of 100", http.MethodGet, "model-versions/search", func() map[string]any {
		return map[string]any{"filter": "name = " + modelregistry.Quote(someModel()), "max_results": perModel}
	}},
	{"create version", http.MethodPost, "model-versions/create", func() map[string]any {
		return map[string]any{"name": someModel(), "source": "s3://bucket/model", "tags": []any{
			map[string]any{"key": "cohort", "value": cohort(0)}, map[string]any{"key": "framework", "value": "onnx"}}}
	}},
	{"transition", http.MethodPost, "model-versions/transition-stage", func() map[string]any {
		return map[string]any{"name": someModel(), "version": strconv.Itoa(1 + rand.IntN(50)), "stage": "Production", "archive_existing_versions": true}
	}},
	{"set alias", http.MethodPost, "registered-models/alias", func() map[string]any {
		return map[string]any{"name": someModel(), "alias": "champion", "version": strconv.Itoa(1 + rand.IntN(perModel))}
	}},
}

// serverRequests compares requests over a connection that is kept.
func serverRequests(b *testing.B, _ *store) []result {
	ours, theirs := filled(b)
	defer ours.stop()
	defer theirs.stop()
	var table []result
	for _, r := range requests {
		const rounds = 9
		side := func(s *server, cpu *float64) func() float64 {
			var calls, round int
			return func() float64 {
				before, first := s.cpu(b), calls
				begin := time.Now()
				for time.Since(begin) < 2*slice {
					require.NoError(b, s.ask(s.client, r.method, r.path, r.fields()))
					calls++
				}
				took := time.Since(begin) / time.Duration(calls-first)
				if round++; round == 1 { // which does not count
					calls = 0
				} else {
					*cpu += s.cpu(b) - before
				}
				if round > rounds {
					*cpu /= float64(calls)
				}
				return float64(took)
			}
		}
		var cpu [2]float64
		m := alternate(rounds, side(ours, &cpu[0]), side(theirs, &cpu[1]))
		name := r.what + " by HTTP at 10,000 versions"
		table = append(table,
			atLeast(name, duration(m[0]), "MLflow "+duration(m[1]), m[1]/m[0], 10),
			atLeast(name+": server's CPU", duration(cpu[0]), "MLflow "+duration(cpu[1]), cpu[1]/cpu[0], 20))
	}
	return table
}
