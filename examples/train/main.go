// Train takes models of the Iris data all the way from an experiment into Production: tracked runs, registration with
// signature, provenance and lineage, Staging, evaluation, gates, a second person's approval, deployment, model card,
// signed serving, an A/B test, and the questions that are asked afterwards. The registry is a SQLite file and a
// directory. Run it twice, or break it off and run it again: it goes on with what is there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/examples/iris"
)

const (
	modelName  = "IrisModel"
	production = "models:/" + modelName + "/Production"
)

func main() {
	dir := flag.String("dir", filepath.Join(os.TempDir(), "modelregistry-train"),
		"keep the registry, its keys and the model cards in this directory; a second run goes on with what is there")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *dir, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "train:", err)
		os.Exit(1)
	}
}

// A pipeline is what the steps share.
type pipeline struct {
	reg  modelregistry.Registry // in the name of the trainer; see open
	keys keys
	dir  string
	out  *printer

	data        modelregistry.Node // the data set in the lineage
	train, test []iris.Flower
}

// run makes all recipes into versions, one after the other, and says on w what it does.
func run(ctx context.Context, dir string, w io.Writer) (err error) {
	reg, keys, closeRegistry, err := open(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeRegistry()) }()
	p := &pipeline{reg: reg, keys: keys, dir: dir, out: &printer{w: w}}
	if err := p.readData(ctx); err != nil {
		return err
	}
	if err := p.createModel(ctx); err != nil {
		return err
	}
	for _, r := range recipes {
		p.out.printf("\n== %s\n", r.name)
		trained, err := p.trainTracked(ctx, r)
		if err != nil {
			return fmt.Errorf("train %q: %w", r.name, err)
		}
		v, err := p.register(ctx, r, trained)
		if err != nil {
			return fmt.Errorf("register %q: %w", r.name, err)
		}
		if err := p.release(ctx, v); err != nil {
			return fmt.Errorf("release %s: %w", v.Ref(), err)
		}
	}
	for _, step := range []struct {
		title string
		do    func(context.Context) error
	}{
		{"Serve what is in Production, if it is signed", p.serve},
		{"Test it against the version before", p.abTest},
		{"Document it", p.document},
		{"Ask who, what and why", p.lookBack},
		{"Verify files and history", p.verify},
	} {
		p.out.printf("\n== %s\n", step.title)
		if err := step.do(ctx); err != nil {
			return err
		}
	}
	return p.out.err
}

// readData reads the data set, and finds its place in the lineage: its version is the digest of the very bytes.
func (p *pipeline) readData(ctx context.Context) error {
	flowers, err := iris.Read()
	if err != nil {
		return err
	}
	p.train, p.test = iris.Split(flowers)
	p.data, err = modelregistry.DigestDataset(ctx, "iris", iris.Path, iris.Files)
	if err != nil {
		return err
	}
	p.out.printf("%s: %d flowers to train with, %d to test on\n", p.data, len(p.train), len(p.test))
	return nil
}

// createModel describes the model before it has a version. Register would create it too, without a description.
func (p *pipeline) createModel(ctx context.Context) error {
	_, err := p.reg.CreateModel(ctx, modelName, modelregistry.ModelSpec{
		Description: "Tells three species of iris by the sizes of their sepals and petals.",
		Tags:        map[string]string{"team": "botany"},
	})
	if errors.Is(err, modelregistry.ErrExists) {
		return nil
	}
	return err
}

// A printer prints until it fails, and keeps the error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}
