package mlflow

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// serverRoutes are those about the server itself.
func serverRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/health", about: "whether the server and what it keeps its rows in answer", handle: (*call).health, raw: true, public: true},
		{method: http.MethodGet, path: "/version", about: "the version of MLflow that is spoken", handle: (*call).version, raw: true, public: true},
		{method: http.MethodGet, path: "/docs", about: "this list", handle: (*call).docs, raw: true, public: true},
		{method: http.MethodGet, path: "3.0/mlflow/server-info", about: "what else the server can do", handle: (*call).info, raw: true, public: true},
	}
}

// healthTime is how long the store has to answer before the server counts as ill.
const healthTime = 5 * time.Second

// health asks the store for a row: a server whose database is gone is of no use to whoever balances load.
func (c *call) health() (any, error) {
	ctx, cancel := context.WithTimeout(c.r.Context(), healthTime)
	defer cancel()
	if _, err := c.s.reg.SearchModels(ctx, modelregistry.Query{PageSize: 1}); err != nil {
		return nil, fmt.Errorf("health: %w", err)
	}
	return c.plain("OK")
}

func (c *call) version() (any, error) { return c.plain(c.s.opts.Version) }

func (c *call) metrics() (any, error) {
	if _, err := c.authorize(Read, Resource{Kind: KindMetrics}); err != nil {
		return nil, err
	}
	c.answered = true
	c.s.opts.Metrics.ServeHTTP(c.w, c.r)
	return nil, nil
}

// plain answers with a text.
func (c *call) plain(text string) (any, error) {
	c.answered = true
	c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = c.w.Write([]byte(text)) // a client that is gone does not want it
	return nil, nil
}

// docs lists the routes.
func (c *call) docs() (any, error) {
	var text strings.Builder
	fmt.Fprintf(&text, "MLflow's REST API, as version %s speaks it. What begins with /api is under /ajax-api too.\n\n", c.s.opts.Version)
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, rt := range c.s.spoken {
		fmt.Fprintf(table, "%s\t%s\n", strings.Replace(rt.patterns()[0], " ", "\t", 1), rt.about)
	}
	if err := table.Flush(); err != nil {
		return nil, err
	}
	return c.plain(text.String())
}

// info tells MLflow 3's clients not to upload in parts, before they try.
func (c *call) info() (any, error) {
	return map[string]bool{"workspaces_enabled": false, "multipart_uploads_enabled": false, "multipart_downloads_enabled": false}, nil
}
