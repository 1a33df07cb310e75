package bench_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"unicode/utf8"
)

var heading = []string{"figure", "ours", "limit or peer", "ratio", "goal", "met"}

func (r result) cells() []string {
	met := "no"
	if r.met {
		met = "yes"
	}
	return []string{r.figure, r.ours, r.peer, digits(r.ratio), r.goal, met}
}

// aligned is the table for a terminal.
func aligned(table []result) string {
	rows := [][]string{heading}
	for _, r := range table {
		rows = append(rows, r.cells())
	}
	widths := make([]int, len(heading))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var text strings.Builder
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			line += cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2)
		}
		text.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return text.String()
}

// load5 is the load average of the last five minutes, where the system tells it.
func load5() string {
	text, err := os.ReadFile("/proc/loadavg")
	if fields := strings.Fields(string(text)); err == nil && len(fields) > 1 {
		return fields[1]
	}
	return "unknown"
}

// page is docs/benchmarks.md; busy is the load average when the run began.
func page(table []result, busy string) string {
	var text strings.Builder
	fmt.Fprintf(&text, preamble, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, strings.TrimPrefix(runtime.Version(), "go"), busy)
	row := func(cells []string) { text.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	row(heading)
	row([]string{"---", "---", "---", "---:", "---", "---"})
	for _, r := range table {
		row(r.cells())
	}
	return text.String()
}

const preamble = `# Benchmarks

This page is written by ` + "`make bench`" + `, last on %d cores under %s/%s with Go %s, over a virtual disk. The load
average was %s when it began: on a machine that others keep busy, ratios with threads or flushes in them are worse.

Every figure is a ratio to a limit or a peer that is measured in the same run, for times by themselves say more of the
machine than of the library. Both sides take turns in short slices, so that what else the machine does meets both, and
each side's figure is the median of its slices. ` + "`BENCH_ONLY=resolve make bench`" + ` runs the figures with resolve in their name;
` + "`BENCH_VERSIONS=20000`" + ` makes the filled stores smaller.

- *The filled stores* have 1 million versions: 10,000 models of 100 versions, each version with two tags; in each model one
  version is in Production, one in Staging, one archived, and two aliases are set. The rows are what the registry itself
  writes for such a life, loaded in bulk, with versions of different models mixed as they would come in life, and without
  the history of changes. Models are asked for at random.
- *Prepared statement* is a query by key or by the best index for one row's document, prepared once on the same driver by
  database/sql. It decodes nothing; Resolve parses its URI and decodes the version.
- *A bare transaction* executes the statements by which the registry wrote, as they were recorded, with the same values, on
  another database that is in the same state: begin, the writes, commit, without any read.
- SQLite is in WAL mode with synchronous=FULL, Postgres as it comes, with fsync; both on the same disk as the files. A figure
  with a commit in it depends on what a flush costs there.
- MLflow 3.17.2's SqlAlchemyStore runs in a Python process of its own on an SQLite file, is asked by a line on its input and
  times itself, so that neither its start nor the asking counts.
- *By HTTP* both servers are processes as their commands start them, MLflow's with one worker and without jobs and telemetry,
  on an SQLite file and a directory, and are asked over a connection that is kept, in turn. Ours has the filled store's rows, MLflow's
  what its own classes wrote into its file. A server's CPU is what all its processes computed, for a request, logs included.
- log_model is MLflow's own client logging a small scikit-learn model and registering it; what it computes itself is
  left out of the CPU, not of the time. An artifact is sent and read by a client that does nothing with it; ours is on the
  disk when it is answered, MLflow's is not. What is stored is removed after each round, so that both write to disk blocks and
  memory that were used before.
- Memory is what the kernel counts for all processes of a server after 16 clients have asked for 10 seconds all that is
  asked above, and a large artifact went in and out. Files are the program itself, whose pages others can have at any time: ours links
  the clients of three clouds, and takes 10 MiB less if it is built with ` + "`-tags disable_grpc_modules`" + `.

`
