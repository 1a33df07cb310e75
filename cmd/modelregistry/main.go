// Modelregistry serves a registry to MLflow clients, copies an MLflow server's registry into one, and removes what no
// version needs.
//
//	modelregistry serve
//	MLFLOW_TRACKING_URI=http://127.0.0.1:5000 python train.py
//
// Without flags everything is kept below ./modelregistry-data. Run modelregistry COMMAND -h for the flags of a command.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// A command is one of the program's.
type command struct {
	name  string
	about string
	run   func(ctx context.Context, args []string, std streams) error
}

// streams are where a command writes: results to out, everything else to err.
type streams struct{ out, err io.Writer }

var commands = []command{
	{"serve", "answer MLflow clients over HTTP", serve},
	{"import", "copy the registry of an MLflow server", importRegistry},
	{"sweep", "remove stored bytes that no version or artifact needs", sweep},
	{"purge", "remove deleted runs for good", purge},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(dispatch(ctx, os.Args[1:], streams{os.Stdout, os.Stderr}))
}

// errUsage says that a mistake was told already.
var errUsage = errors.New("wrong usage")

// dispatch runs one command and returns the exit status: 2 of wrong usage, 1 of any other failure.
func dispatch(ctx context.Context, args []string, std streams) int {
	std = streams{plainWriter{std.out}, plainWriter{std.err}}
	name := "help"
	if len(args) > 0 {
		name = args[0]
	}
	for _, c := range commands {
		if c.name != name {
			continue
		}
		err := c.run(ctx, args[1:], std)
		switch {
		case err == nil, errors.Is(err, flag.ErrHelp):
			return 0
		case errors.Is(err, errUsage):
			return 2
		}
		fmt.Fprintf(std.err, "modelregistry %s: %v\n", name, err)
		return 1
	}
	fmt.Fprint(std.err, "usage: modelregistry COMMAND [flags]\n\n")
	for _, c := range commands {
		fmt.Fprintf(std.err, "  %-8s %s\n", c.name, c.about)
	}
	if name == "help" || name == "-h" || name == "--help" {
		return 0
	}
	return 2
}

// flags is a set of flags that tells mistakes on err.
func flags(name string, std streams) *flag.FlagSet {
	set := flag.NewFlagSet("modelregistry "+name, flag.ContinueOnError)
	set.SetOutput(std.err)
	return set
}

// parse reads a command's arguments, of which there are only flags.
func parse(set *flag.FlagSet, args []string) error {
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errUsage
	}
	if set.NArg() > 0 {
		// The argument is not repeated: it may be the rest of a URL with a password, cut off at a space.
		fmt.Fprintf(set.Output(), "%s: an argument behind the flags; there are only flags, and a value with spaces is quoted\n", set.Name())
		return errUsage
	}
	return nil
}
