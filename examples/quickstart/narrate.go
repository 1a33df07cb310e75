package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/examples/iris"
)

// clock is how times are printed.
const clock = "15:04:05.000"

// A narrator prints what goes on. After an error it prints no more, and keeps the error.
type narrator struct {
	reg modelregistry.Registry
	out io.Writer
	// last is the newest event of the model that was printed, or was there before the program started.
	last modelregistry.Event
	err  error
}

func newNarrator(ctx context.Context, reg modelregistry.Registry, out io.Writer) (*narrator, error) {
	n := &narrator{reg: reg, out: out}
	for m, err := range reg.Models(ctx, modelregistry.Query{Filter: "name = '" + model + "'"}) {
		if err != nil {
			return nil, err
		}
		for e, err := range reg.Events(ctx, modelregistry.EventQuery{ModelID: m.ID, Newest: true, Limit: 1}) {
			if err != nil {
				return nil, err
			}
			n.last = *e
		}
	}
	return n, nil
}

func (n *narrator) printf(format string, args ...any) {
	if n.err == nil {
		_, n.err = fmt.Fprintf(n.out, format, args...)
	}
}

func (n *narrator) chapter(title string) { n.printf("\n== %s\n\n", title) }

// table prints rows in aligned columns.
func (n *narrator) table(rows [][]string) {
	if n.err != nil {
		return
	}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintf(w, "  %s\n", strings.Join(row, "\t")) // w keeps an error for Flush
	}
	n.err = w.Flush()
	for line := range strings.Lines(text.String()) {
		n.printf("%s\n", strings.TrimRight(line, " \n")) // columns that end empty are padded
	}
}

// versions prints all versions of the model.
func (n *narrator) versions(ctx context.Context) {
	rows := [][]string{{"VERSION", "SEMVER", "STAGE", "ALIASES", "ACCURACY", "DIGEST", "DESCRIPTION"}}
	query := modelregistry.Query{Filter: "name = '" + model + "'", OrderBy: []string{"version_number"}}
	for v, err := range n.reg.Versions(ctx, query) {
		if err != nil {
			n.err = cmp.Or(n.err, err)
			return
		}
		rows = append(rows, []string{
			fmt.Sprint(v.Number), v.Semver.String(), string(v.Stage), v.Aliases.String(),
			accuracy(v), shortDigest(v.Digest), v.Description,
		})
	}
	n.printf("\n")
	n.table(rows)
}

// shortDigest is enough of a digest for people to tell two apart.
func shortDigest(digest string) string { return strings.TrimPrefix(digest, "sha256:")[:12] }

// history prints the model's events since it was last called.
func (n *narrator) history(ctx context.Context) {
	rows := [][]string{{"TIME", "WHO", "WHAT", "WHY"}}
	for e, err := range n.reg.Events(ctx, modelregistry.EventQuery{Model: model, Since: n.last.Time}) {
		if err != nil {
			n.err = cmp.Or(n.err, err)
			return
		}
		if e.Seq <= n.last.Seq {
			continue // Since is inclusive
		}
		n.last = *e
		rows = append(rows, []string{e.Time.Local().Format(clock), e.Actor, describe(e), e.Reason})
	}
	n.printf("\n")
	n.table(rows)
}

// describe says in words what happened.
func describe(e *modelregistry.Event) string {
	switch e.Kind {
	case modelregistry.ModelCreated:
		return "model created"
	case modelregistry.VersionRegistered:
		return fmt.Sprintf("version %d registered as %s", e.Version, field(e.After, "semver"))
	case modelregistry.StageChanged:
		return fmt.Sprintf("version %d: %s → %s", e.Version, field(e.Before, "stage"), field(e.After, "stage"))
	case modelregistry.StageRolledBack:
		return fmt.Sprintf("version %d: %s → %s, rolled back", e.Version, field(e.Before, "stage"), field(e.After, "stage"))
	case modelregistry.AliasMoved:
		return fmt.Sprintf("version %d is no longer %s", e.Version, e.Alias)
	case modelregistry.AliasSet:
		return fmt.Sprintf("version %d is the %s", e.Version, e.Alias)
	}
	return string(e.Kind)
}

// field is the text of a changed field.
func field(fields map[string]json.RawMessage, name string) string {
	return strings.Trim(string(fields[name]), `"`)
}

// predictions prints what a version takes some flowers for.
func (n *narrator) predictions(v *modelregistry.Version, c *classifier, flowers []iris.Flower) {
	rows := [][]string{{"SEPAL", "PETAL", "IS A", "VERSION " + fmt.Sprint(v.Number) + " SAYS", ""}}
	for _, f := range flowers {
		says, mark := c.predict(f.Sizes), "right"
		if says != f.Species {
			mark = "WRONG"
		}
		rows = append(rows, []string{
			fmt.Sprintf("%.1f × %.1f cm", f.Sizes[0], f.Sizes[1]), fmt.Sprintf("%.1f × %.1f cm", f.Sizes[2], f.Sizes[3]),
			f.Species, says, mark,
		})
	}
	n.table(rows)
}
