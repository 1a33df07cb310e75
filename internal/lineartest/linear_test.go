package lineartest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/postgres"
	"github.com/modelregistry-go/modelregistry/backend/sqlite"
	"github.com/modelregistry-go/modelregistry/internal/stores"
	"github.com/modelregistry-go/modelregistry/registrytest"
)

// calls is how many calls a client makes: as many as the backend does in a few seconds.
var calls = map[string]int{stores.Memory: 1500, stores.SQLite: 250, stores.Postgres: 250}

var models = []string{"a", "b", "c"}

// Clients of one process are answered as if one called after the other.
func TestLinearizable(t *testing.T) {
	for _, kind := range stores.Kinds() {
		t.Run(kind, func(t *testing.T) {
			r := newRegistry(t, stores.Fresh(t, kind))
			c := crowd{Clients: 8, Calls: calls[kind], Models: models, Seed: rand.Uint64()}
			t.Logf("%+v", c)
			history, err := c.run(t.Context(), r)
			require.NoError(t, err)
			check(t, history)
			require.NoError(t, registrytest.Check(t.Context(), r))
		})
	}
}

// So are those of two processes on one store.
func TestLinearizableOverProcesses(t *testing.T) {
	for _, kind := range []string{stores.SQLite, stores.Postgres} {
		t.Run(kind, func(t *testing.T) {
			place := stores.New(t, kind)
			r := newRegistry(t, stores.Open(t, kind, place))
			var children []*exec.Cmd
			var answers [2]bytes.Buffer
			start, begin, err := os.Pipe() // both begin when it is closed
			require.NoError(t, err)
			for i := range answers {
				task, err := json.Marshal(childTask{kind, place, crowd{Clients: 4, First: 4 * i, Calls: calls[kind], Models: models, Seed: rand.Uint64()}})
				require.NoError(t, err)
				child := exec.CommandContext(t.Context(), os.Args[0])
				child.Env = append(os.Environ(), childEnv+"="+string(task))
				child.Stdin, child.Stdout, child.Stderr = start, &answers[i], os.Stderr
				require.NoError(t, child.Start())
				children = append(children, child)
				t.Logf("%s", task)
			}
			require.NoError(t, begin.Close())
			var history []entry
			for i, child := range children {
				require.NoError(t, child.Wait())
				var part []entry
				require.NoError(t, json.Unmarshal(answers[i].Bytes(), &part))
				history = append(history, part...)
			}
			require.NoError(t, start.Close())
			require.Len(t, history, 2*4*calls[kind])
			require.True(t, overlap(history), "the processes did not run at the same time")
			check(t, history)
			require.NoError(t, registrytest.Check(t.Context(), r))
		})
	}
}

// overlap says whether clients of both processes were calling at the same time.
func overlap(history []entry) bool {
	var first, last [2]int64
	for _, e := range history {
		i := e.Client / 4
		if first[i] == 0 || e.Call < first[i] {
			first[i] = e.Call
		}
		last[i] = max(last[i], e.Return)
	}
	return first[0] < last[1] && first[1] < last[0]
}

func newRegistry(t testing.TB, b backend.Backend) modelregistry.Registry {
	r, err := modelregistry.New(t.Context(), b, nil, nil)
	require.NoError(t, err)
	return r
}

// check proves that a history is linearizable, and that it is worth the proof.
func check(t *testing.T, history []entry) {
	t.Helper()
	won, lost := 0, 0
	for _, e := range history {
		switch {
		case e.Out.Conflict:
			lost++
		case e.In.Expect >= 0 && !e.Out.Missing:
			won++
		}
	}
	require.Greater(t, won, len(history)/50, "compare-and-swaps that succeeded")
	require.Greater(t, lost, len(history)/50, "compare-and-swaps that failed")
	result := porcupine.CheckOperationsTimeout(model, operations(history), 2*time.Minute)
	require.Equal(t, porcupine.Ok, result)
	t.Logf("%d operations, %d compare-and-swaps won and %d lost", len(history), won, lost)
}

const childEnv = "MODELREGISTRY_LINEARTEST_CHILD"

// childTask is what a child process does.
type childTask struct {
	Kind  string
	Place string
	Crowd crowd
}

func TestMain(m *testing.M) {
	task := os.Getenv(childEnv)
	if task == "" {
		os.Exit(m.Run())
	}
	if err := child(context.Background(), task); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
}

func child(ctx context.Context, text string) error {
	var task childTask
	if err := json.Unmarshal([]byte(text), &task); err != nil {
		return err
	}
	var b backend.Backend
	var err error
	if task.Kind == stores.SQLite {
		b, err = sqlite.Open(ctx, task.Place, nil)
	} else {
		b, err = postgres.Open(ctx, task.Place, nil)
	}
	if err != nil {
		return err
	}
	r, err := modelregistry.New(ctx, b, nil, nil)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	history, err := task.Crowd.run(ctx, r)
	if err != nil {
		return err
	}
	if err := b.Close(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(history)
}
