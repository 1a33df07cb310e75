// Quickstart trains three classifiers of the Iris data, registers them, moves them through the stages behind an accuracy
// gate, breaks production and rolls it back, all in a SQLite file and a directory. Run it twice: it goes on where it
// left off.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/sqlite"
	"github.com/modelregistry-go/modelregistry/blob"
	"github.com/modelregistry-go/modelregistry/examples/iris"
)

const (
	model      = "IrisClassifier"
	production = "models:/" + model + "/Production"
)

func main() {
	dir := flag.String("dir", filepath.Join(os.TempDir(), "modelregistry-quickstart"),
		"keep the registry in this directory; a second run goes on with what is there")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *dir, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// run tells the whole story on out. The registry is in dir.
func run(ctx context.Context, dir string, out io.Writer) (err error) {
	reg, closeRegistry, err := open(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeRegistry()) }()
	show, err := newNarrator(ctx, reg, out)
	if err != nil {
		return err
	}
	flowers, err := iris.Read()
	if err != nil {
		return err
	}
	train, test := iris.Split(flowers)
	show.printf("The registry is in %s: rows in registry.db, files in blobs/.\n", dir)
	show.printf("iris.csv has %d flowers: %d to train with, %d to test on.\n", len(flowers), len(train), len(test))

	show.chapter("Train, register, and promote what passes the gate")
	verdicts := [][]string{{"VERSION", "TRAINED", "ACCURACY", "GATE"}}
	for _, e := range experiments {
		c, err := e.train(train)
		if err != nil {
			return err
		}
		v, err := register(ctx, reg, e, c, evaluate(c, test))
		if err != nil {
			return err
		}
		if _, err := reg.Promote(ctx, model, v.Number, modelregistry.Staging, nil); err != nil {
			return err
		}
		verdict, err := release(ctx, reg, v)
		if err != nil {
			return err
		}
		verdicts = append(verdicts, []string{fmt.Sprint(v.Number), v.Description, accuracy(v), verdict})
	}
	show.table(verdicts)
	show.versions(ctx)
	show.history(ctx)

	show.chapter("Serve " + production)
	serving, err := serve(ctx, reg, show, test)
	if err != nil {
		return err
	}

	show.chapter("Break it: a hot fix that nobody tested goes out past the gate")
	operator := reg.As("operator") // changes carry the name of who makes them
	e, c := hotFix(serving)
	broken, err := register(ctx, operator, e, c, evaluate(c, test))
	if err != nil {
		return err
	}
	if err := gate(broken, serving); err != nil {
		show.printf("The gate says no: %v. The operator promotes it all the same.\n\n", err)
	}
	if _, err := operator.Promote(ctx, model, broken.Number, modelregistry.Production, &modelregistry.PromoteOptions{
		Reason: "hot fix for the demo, gate overridden",
	}); err != nil {
		return err
	}
	incident := time.Now()
	if _, err := serve(ctx, reg, show, test); err != nil {
		return err
	}
	show.versions(ctx)

	show.chapter("Roll back, in one call")
	back, err := operator.Rollback(ctx, model, modelregistry.Production, &modelregistry.RollbackOptions{
		Reason: fmt.Sprintf("version %d mistakes most flowers", broken.Number),
	})
	if err != nil {
		return err
	}
	show.printf("Version %d is in Production again, version %d is archived.\n\n", back.Version.Number, back.Displaced[0].Number)
	if _, err := serve(ctx, reg, show, test); err != nil {
		return err
	}
	show.versions(ctx)
	show.history(ctx)

	show.chapter("Look back")
	if err := lookBack(ctx, reg, show, incident); err != nil {
		return err
	}
	copied := filepath.Join(dir, model, fmt.Sprint(back.Version.Number))
	if err := modelregistry.Download(ctx, reg, back.Version, copied, nil); err != nil {
		return err
	}
	show.printf("The files that serve, confusion_matrix.png among them, are in %s.\n", copied)
	return show.err
}

// open opens the registry in dir, and makes it if it is not there.
func open(ctx context.Context, dir string) (reg modelregistry.Registry, closeAll func() error, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, err
	}
	rows, err := sqlite.Open(ctx, filepath.Join(dir, "registry.db"), nil)
	if err != nil {
		return nil, nil, err
	}
	bucket := url.URL{Scheme: "file", Path: filepath.ToSlash(filepath.Join(dir, "blobs"))}
	blobs, err := blob.Open(ctx, bucket.String())
	if err != nil {
		return nil, nil, errors.Join(err, rows.Close())
	}
	closeAll = func() error { return errors.Join(blobs.Close(), rows.Close()) }
	reg, err = modelregistry.New(ctx, rows, blobs, &modelregistry.Options{Actor: "trainer"})
	if err != nil {
		return nil, nil, errors.Join(err, closeAll())
	}
	return reg, closeAll, nil
}
