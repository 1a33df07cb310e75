package compare

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// LeaderboardOptions go with Leaderboard. Nil means all defaults.
type LeaderboardOptions struct {
	// Direction says which values are better; Unknown: as DirectionOf says, and if it does not know either, Higher.
	Direction Direction
	// Metrics are the metrics to show behind the one that decides; nil is all that one of the versions has.
	Metrics []string
	// Filter selects among the model's versions, in the language of modelregistry.Query: "stage != 'Archived'".
	Filter string
}

// A Board ranks versions of a model.
type Board struct {
	Model     string                   `json:"model"`
	Metric    string                   `json:"metric"` // that decides
	Direction Direction                `json:"direction"`
	Metrics   []string                 `json:"metrics"`  // that are shown, the one that decides first
	Versions  []*modelregistry.Version `json:"versions"` // the best first; without the metric last
}

// Leaderboard ranks all versions of a model by a metric, the best first, at most n (0: 100; at most 10,000). Versions
// without the metric come last. It is one search, of a model of up to 10,000 versions. ErrNotFound: there is no such
// model.
func Leaderboard(ctx context.Context, reg modelregistry.Registry, model, metric string, n int, opts *LeaderboardOptions) (*Board, error) {
	if opts == nil {
		opts = &LeaderboardOptions{}
	}
	b := &Board{Model: model, Metric: metric, Direction: opts.Direction, Metrics: []string{metric}}
	if b.Direction == Unknown {
		b.Direction = DirectionOf(metric)
	}
	order := " DESC"
	if b.Direction == Unknown {
		b.Direction = Higher
	}
	if b.Direction == Lower {
		order = " ASC"
	}
	filter := "name = " + modelregistry.Quote(model)
	if strings.TrimSpace(opts.Filter) != "" {
		filter += " AND (" + opts.Filter + ")"
	}
	page, err := reg.SearchVersions(ctx, modelregistry.Query{
		Filter: filter, PageSize: n,
		OrderBy: []string{"metrics." + "`" + strings.ReplaceAll(metric, "`", "``") + "`" + order},
	})
	if err != nil {
		return nil, fmt.Errorf("leaderboard: %w", err)
	}
	b.Versions = page.Versions
	if len(b.Versions) == 0 {
		if _, err := reg.Model(ctx, model); err != nil {
			return nil, fmt.Errorf("leaderboard: %w", err)
		}
	}
	if opts.Metrics != nil {
		b.Metrics = append(b.Metrics, opts.Metrics...)
		return b, nil
	}
	for _, t := range texts(b.Versions, func(v *modelregistry.Version) map[string]string {
		names := map[string]string{}
		for name := range v.Metrics.All() {
			names[name] = ""
		}
		return names
	}) {
		if t.Name != metric {
			b.Metrics = append(b.Metrics, t.Name)
		}
	}
	return b, nil
}

// String is the board as a table whose columns line up, with a rank in front.
func (b *Board) String() string {
	var out strings.Builder
	writeText(&out, []table{b.table()})
	return out.String()
}

// Markdown is the board as a table of Markdown, with everything escaped.
func (b *Board) Markdown() string {
	var out strings.Builder
	writeMarkdown(&out, []table{b.table()})
	return out.String()
}

func (b *Board) table() table {
	t := table{head: append(append([]string{"rank", "version", "stage"}, b.Metrics...), "created at", "description")}
	for i, v := range b.Versions {
		row := []string{strconv.Itoa(i + 1), strconv.Itoa(v.Number), string(v.Stage)}
		for _, name := range b.Metrics {
			cell := ""
			if f, ok := v.Metrics.Lookup(name); ok {
				cell = Number(f).String()
			}
			row = append(row, cell)
		}
		t.rows = append(t.rows, append(row, v.Created.UTC().Format(time.RFC3339), v.Description))
	}
	return t
}
