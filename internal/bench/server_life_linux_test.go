package bench_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// serverLogModel has the stock client log models, and compares what the servers compute for it.
func serverLogModel(b *testing.B, _ *store) []result {
	const rounds, models = 5, 5
	ours, theirs := startOurs(b, b.TempDir()), startMLflow(b, b.TempDir())
	defer ours.stop()
	defer theirs.stop()
	var took [2]float64
	logModels := func(s *server, took *float64) func() float64 {
		cmd := exec.Command(os.Getenv("BENCH_MLFLOW_PYTHON"), "mlflow_client.py", s.url)
		cmd.Env = append(os.Environ(), "MLFLOW_DISABLE_TELEMETRY=true", "OMP_NUM_THREADS=1")
		var said bytes.Buffer
		cmd.Stderr = &said
		in, err := cmd.StdinPipe()
		require.NoError(b, err)
		out, err := cmd.StdoutPipe()
		require.NoError(b, err)
		require.NoError(b, cmd.Start())
		b.Cleanup(func() {
			require.NoError(b, in.Close())
			require.NoError(b, cmd.Wait())
		})
		lines := bufio.NewScanner(out)
		return func() float64 {
			before := s.cpu(b)
			_, err := fmt.Fprintln(in, models)
			require.NoError(b, err)
			require.True(b, lines.Scan(), "mlflow_client.py ended: %s", &said)
			seconds, err := strconv.ParseFloat(lines.Text(), 64)
			require.NoError(b, err)
			*took = seconds * 1e9 / models
			return (s.cpu(b) - before) / models
		}
	}
	m := alternate(rounds, logModels(ours, &took[0]), logModels(theirs, &took[1]))
	side := func(i int) string { return duration(m[i]) + " of " + duration(took[i]) }
	return []result{atLeast("log_model by the stock client: server's CPU", side(0), "MLflow "+side(1), m[1]/m[0], 10)}
}

// serverStart starts processes on what an earlier one left: without any versions, but with all tables made.
func serverStart(b *testing.B, _ *store) []result {
	started := func(start func(*testing.B, string) *server) func() float64 {
		dir := b.TempDir()
		return func() float64 {
			var s *server
			took := once(func() { s = start(b, dir) })()
			s.stop()
			return took
		}
	}
	m := alternate(3, started(startOurs), started(startMLflow))
	return []result{atLeast("server's start to its first answer", duration(m[0]), "MLflow "+duration(m[1]), m[1]/m[0], 50)}
}

// serverMemory loads the servers over 16 connections with all that the other figures ask, and with a large artifact.
func serverMemory(b *testing.B, _ *store) []result {
	const clients = 16
	ours, theirs := filled(b)
	defer ours.stop()
	defer theirs.stop()
	content := random(256 << 20)
	var got []float64
	var text []string
	for _, s := range []*server{ours, theirs} {
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
		var load errgroup.Group
		begin := time.Now()
		for range clients {
			load.Go(func() error {
				for i := 0; time.Since(begin) < 10*time.Second; i++ {
					r := requests[i%len(requests)]
					if err := s.ask(client, r.method, r.path, r.fields()); err != nil {
						return err
					}
				}
				return nil
			})
		}
		require.NoError(b, load.Wait())
		s.upload(b, "0/large", content)
		s.download(b, "0/large", len(content))
		all, files := s.resident(b)
		got, text = append(got, all), append(text, fmt.Sprintf("%s, %s of it files", bytesText(all), bytesText(files)))
		client.CloseIdleConnections()
	}
	const limit = 64
	return []result{{"server's memory after load", text[0], "MLflow " + text[1], got[1] / got[0],
		fmt.Sprintf("at most %d MiB", limit), got[0] <= limit<<20}}
}

func bytesText(n float64) string { return digits(n/(1<<20)) + " MiB" }
