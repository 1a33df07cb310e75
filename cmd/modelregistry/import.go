package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/schollz/progressbar/v3"

	"github.com/modelregistry-go/modelregistry/blob"
	"github.com/modelregistry-go/modelregistry/mlflow"
)

// importRegistry copies an MLflow server's registry. What was copied by an earlier call is not copied again.
func importRegistry(ctx context.Context, args []string, std streams) (err error) {
	var store storeFlags
	set := flags("import", std)
	store.add(set)
	from := set.String("from", os.Getenv("MLFLOW_TRACKING_URI"), "the `URL` of the MLflow server (default $MLFLOW_TRACKING_URI)")
	models := set.String("models", "", "`names` of the models to copy, separated by commas (default all)")
	modelsOnly := set.Bool("models-only", false, "leave out experiments, runs and logged models")
	withoutFiles := set.Bool("without-files", false, "copy versions whose files cannot be read as versions without files")
	opts := &mlflow.ClientOptions{
		Token:    os.Getenv("MLFLOW_TRACKING_TOKEN"),
		Username: os.Getenv("MLFLOW_TRACKING_USERNAME"),
		Password: os.Getenv("MLFLOW_TRACKING_PASSWORD"),
	}
	set.Func("source", "the `URL` of a bucket, or of a directory of one, from which files may be read that are not behind the\n"+
		"server's artifact proxy: s3://bucket/models?region=eu-central-1, file:///mnt/mlruns; may be given more than once.\n"+
		"Whoever may register versions there says where files are: what is not below one of these is left",
		func(source string) error {
			opts.Sources, opts.OpenSource = append(opts.Sources, source), blob.OpenFS
			return nil
		})
	set.StringVar(&opts.Workspace, "workspace", os.Getenv("MLFLOW_WORKSPACE"), "the `workspace`, of a server that has them")
	if err := parse(set, args); err != nil {
		return err
	}
	if *from == "" {
		return errors.New("where from? Give --from, or set MLFLOW_TRACKING_URI")
	}
	client, err := mlflow.NewClient(*from, opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	reg, closeAll, err := store.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	bar := newBar(std.err)
	report, err := mlflow.Import(ctx, client, reg, &mlflow.ImportOptions{
		Models: list(*models), ModelsOnly: *modelsOnly, WithoutFiles: *withoutFiles, Progress: bar.show,
	})
	bar.end()
	if report != nil {
		err = errors.Join(err, tell(std.out, report))
	}
	return err
}

// A bar shows how far an import has come, on a terminal as a bar that moves.
type bar struct {
	out    io.Writer
	drawn  *progressbar.ProgressBar
	failed error // the bar is only for show
}

// newBar makes one, which moves the cursor itself.
func newBar(out io.Writer) *bar {
	if w, ok := out.(plainWriter); ok {
		out = w.Writer
	}
	return &bar{out: out}
}

func (b *bar) show(p mlflow.ImportProgress) {
	if b.drawn == nil {
		b.drawn = progressbar.NewOptions(p.Total, progressbar.OptionSetWriter(b.out), progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100_000_000))
	}
	b.drawn.ChangeMax(p.Total)
	b.drawn.Describe(line(p.Doing))
	b.failed = b.drawn.Set(p.Done)
}

func (b *bar) end() {
	if b.drawn != nil {
		b.failed = errors.Join(b.drawn.Exit())
		fmt.Fprintln(b.out)
	}
}

// tell says what an import took and what it could not.
func tell(out io.Writer, r *mlflow.ImportReport) error {
	var b strings.Builder
	for _, line := range []struct {
		what  string
		count mlflow.ImportCount
	}{{"experiments", r.Experiments}, {"runs", r.Runs}, {"logged models", r.LoggedModels}, {"models", r.Models}, {"versions", r.Versions}} {
		fmt.Fprintf(&b, "%-13s  %d copied, %d here already\n", line.what, line.count.Taken, line.count.There)
	}
	for _, left := range r.Left {
		fmt.Fprintf(&b, "left: %s: %s\n", line(left.What), line(left.Err.Error()))
	}
	_, err := io.WriteString(out, b.String())
	return err
}
