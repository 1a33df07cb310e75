// The program resolve prints which version a URI names in an SQLite registry: package bench measures how long that takes
// from the start of a process.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/sqlite"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: resolve registry.db models:/name/Production")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "resolve:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, path, uri string) error {
	b, err := sqlite.Open(ctx, path, nil)
	if err != nil {
		return err
	}
	reg, err := modelregistry.New(ctx, b, nil, nil)
	if err != nil {
		return err
	}
	v, err := reg.Resolve(ctx, uri)
	if err != nil {
		return err
	}
	fmt.Println(v.Ref())
	return b.Close()
}
