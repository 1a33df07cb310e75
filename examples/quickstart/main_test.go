package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/examples/iris"
)

var update = flag.Bool("update", false, "rewrite what README.md and testdata show")

// shownDir stands for the directory in what README.md shows.
const shownDir = "/tmp/modelregistry-quickstart"

var (
	shownTimes   = regexp.MustCompile(`\b\d\d:\d\d:\d\d\.\d{3}\b`)
	shownDigests = regexp.MustCompile(`\b[0-9a-f]{12}\b`)
	shownOutput  = regexp.MustCompile("(?s)```text\n(.*?)```")
)

// mask hides what differs from run to run, and what may differ between processors.
func mask(output string) string {
	return shownDigests.ReplaceAllString(shownTimes.ReplaceAllString(output, "hh:mm:ss.mmm"), "digest······")
}

func tell(t *testing.T, dir string) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), dir, &out))
	return strings.ReplaceAll(out.String(), dir, shownDir)
}

// README.md shows the first run, the second goes on from there, and what serves is verified.
func TestTheStoryTwice(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there yet, 100%")
	first, second := tell(t, dir), tell(t, dir)
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	const golden = "testdata/second-run.txt"
	if *update {
		readme = shownOutput.ReplaceAllLiteral(readme, []byte("```text\n"+first+"```"))
		require.NoError(t, os.WriteFile("README.md", readme, 0o644))
		require.NoError(t, os.WriteFile(golden, []byte(mask(second)), 0o644))
	}
	shown := shownOutput.FindSubmatch(readme)
	require.NotNil(t, shown, "README.md shows no output")
	require.Equal(t, mask(string(shown[1])), mask(first), "run go test ./examples/quickstart -update")
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), mask(second))

	// Equal weights and pictures are equal bytes, and so the second run's versions have the digests of the first's.
	digests := regexp.MustCompile(`(?m)^  3 .*  ([0-9a-f]{12})  `).FindStringSubmatch(first)
	require.NotNil(t, digests)
	require.Regexp(t, `(?m)^  7 .*  `+digests[1]+`  `, second)

	for _, version := range []string{"3", "7"} {
		files, err := filepath.Glob(filepath.Join(dir, model, version, "*"))
		require.NoError(t, err)
		require.Len(t, files, 3)
	}
	refusesAlteredModels(t, dir)
}

// refusesAlteredModels changes a byte of each stored model behind the registry's back.
func refusesAlteredModels(t *testing.T, dir string) {
	altered := 0
	require.NoError(t, filepath.WalkDir(filepath.Join(dir, "blobs"), func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(text, []byte(`"weights"`)) {
			return err
		}
		altered++
		if err := os.Chmod(path, 0o644); err != nil {
			return err
		}
		return os.WriteFile(path, bytes.Replace(text, []byte("1"), []byte("7"), 1), 0o644)
	}))
	require.Equal(t, 4, altered, "equal files of the two runs are stored once")

	reg, closeRegistry, err := open(t.Context(), dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, closeRegistry()) }()
	show, err := newNarrator(t.Context(), reg, new(bytes.Buffer))
	require.NoError(t, err)
	flowers, err := iris.Read()
	require.NoError(t, err)
	_, err = serve(t.Context(), reg, show, flowers)
	require.ErrorIs(t, err, modelregistry.ErrCorrupt)
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, run(ctx, t.TempDir(), new(bytes.Buffer)), context.Canceled)
}
