package mlflow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

// SearchModels searches by MLflow's own filters, which are a part of Query's; what the server does not know is ErrInvalid.
// Pages are as the server makes them: rows that come and go between two may move others on MLflow's own.
func (c *Client) SearchModels(ctx context.Context, q modelregistry.Query) (modelregistry.ModelPage, error) {
	page, err := c.searchModels(ctx, q)
	return page, failed("SearchModels", "", "", err)
}

func (c *Client) searchModels(ctx context.Context, q modelregistry.Query) (modelregistry.ModelPage, error) {
	const most = 1000 // that MLflow answers
	params, seal, err := searchParams("models", q, most)
	if err != nil {
		return modelregistry.ModelPage{}, err
	}
	if len(q.OrderBy) == 0 {
		params["order_by"] = []string{"name ASC"}
	}
	var answer struct {
		Models []remoteModel `json:"registered_models"`
		Next   string        `json:"next_page_token"`
	}
	if err := c.call(ctx, get("registered-models/search", params), &answer); err != nil {
		return modelregistry.ModelPage{}, err
	}
	page := modelregistry.ModelPage{Next: seal(answer.Next)}
	for i := range answer.Models {
		m, err := answer.Models[i].model()
		if err != nil {
			return modelregistry.ModelPage{}, err
		}
		page.Models = append(page.Models, m)
	}
	return page, nil
}

// Models yields what SearchModels finds, page by page.
func (c *Client) Models(ctx context.Context, q modelregistry.Query) iter.Seq2[*modelregistry.Model, error] {
	return paged("Models", q, func(q modelregistry.Query) ([]*modelregistry.Model, string, error) {
		page, err := c.searchModels(ctx, q)
		return page.Models, page.Next, err
	})
}

// SearchVersions searches as SearchModels does. MLflow's own server leaves aliases out; they are read besides.
func (c *Client) SearchVersions(ctx context.Context, q modelregistry.Query) (modelregistry.VersionPage, error) {
	page, err := c.searchVersions(ctx, q)
	return page, failed("SearchVersions", "", "", err)
}

func (c *Client) searchVersions(ctx context.Context, q modelregistry.Query) (modelregistry.VersionPage, error) {
	const most = 10_000
	params, seal, err := searchParams("versions", q, most)
	if err != nil {
		return modelregistry.VersionPage{}, err
	}
	if len(q.OrderBy) == 0 { // MLflow's own default is another
		params["order_by"] = []string{"name ASC", "version_number DESC"}
	}
	var answer struct {
		Versions []remoteVersion `json:"model_versions"`
		Next     string          `json:"next_page_token"`
	}
	if err := c.call(ctx, get("model-versions/search", params), &answer); err != nil {
		return modelregistry.VersionPage{}, err
	}
	if err := c.fillAliases(ctx, answer.Versions); err != nil {
		return modelregistry.VersionPage{}, err
	}
	versions, err := versionsOf(answer.Versions)
	return modelregistry.VersionPage{Versions: versions, Next: seal(answer.Next)}, err
}

// Versions yields what SearchVersions finds, page by page.
func (c *Client) Versions(ctx context.Context, q modelregistry.Query) iter.Seq2[*modelregistry.Version, error] {
	return paged("Versions", q, func(q modelregistry.Query) ([]*modelregistry.Version, string, error) {
		page, err := c.searchVersions(ctx, q)
		return page.Versions, page.Next, err
	})
}

// fillAliases gives versions that a search found their aliases, from their models: a request for many of them.
func (c *Client) fillAliases(ctx context.Context, versions []remoteVersion) error {
	if c.fillsAliases.Load() {
		return nil
	}
	names := map[string]bool{}
	for i := range versions {
		if len(versions[i].Aliases) > 0 {
			c.fillsAliases.Store(true)
			return nil
		}
		names[versions[i].Name] = true
	}
	aliases := map[string]map[string][]string{} // by model and version
	keep := func(m *remoteModel) {
		of := map[string][]string{}
		for _, a := range m.Aliases {
			of[a.Version] = append(of[a.Version], a.Alias)
		}
		aliases[m.Name] = of
	}
	var list []string
	for name := range names {
		list = append(list, name)
	}
	slices.Sort(list)
	for len(list) > 0 {
		n, filter := someNames(list)
		if n == 1 { // or a name that no filter can have
			var answer struct {
				Model remoteModel `json:"registered_model"`
			}
			err := c.call(ctx, get("registered-models/get", url.Values{"name": {list[0]}}), &answer)
			if err != nil && !errors.Is(err, modelregistry.ErrNotFound) {
				return fmt.Errorf("read aliases: %w", err)
			}
			keep(&answer.Model)
		} else {
			var answer struct {
				Models []remoteModel `json:"registered_models"`
			}
			if err := c.call(ctx, get("registered-models/search", url.Values{"filter": {filter}, "max_results": {strconv.Itoa(n)}}), &answer); err != nil {
				return fmt.Errorf("read aliases: %w", err)
			}
			for i := range answer.Models {
				keep(&answer.Models[i])
			}
		}
		list = list[n:]
	}
	for i := range versions {
		versions[i].Aliases = aliases[versions[i].Name][versions[i].Version]
	}
	return nil
}

// someNames is a filter for the first n models of a list: as many as fit into a URL that every proxy takes.
func someNames(list []string) (n int, filter string) {
	const most, longest = 100, 2000
	var parts []string
	size := 0
	for _, name := range list[:min(most, len(list))] {
		quoted, err := quote(name)
		size += len(url.QueryEscape(quoted)) + 1
		if err != nil || size > longest {
			break
		}
		parts = append(parts, quoted)
	}
	if len(parts) < 2 {
		return 1, ""
	}
	return len(parts), "name IN (" + strings.Join(parts, ",") + ")"
}

// paged yields what the pages of a search have.
func paged[T any](op string, q modelregistry.Query, search func(modelregistry.Query) ([]T, string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			items, next, err := search(q)
			if err != nil {
				var none T
				yield(none, failed(op, "", "", err))
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			q.PageToken = next
		}
	}
}

// searchParams checks q and makes the parameters of a search of it; seal makes a page's token of the server's.
func searchParams(kind string, q modelregistry.Query, most int) (params url.Values, seal func(string) string, err error) {
	filter, err := translateFilter(q.Filter)
	if err != nil {
		return nil, nil, err
	}
	size, token, seal, err := searchPage(kind, q, most)
	if err != nil {
		return nil, nil, err
	}
	params = url.Values{"max_results": {strconv.Itoa(size)}}
	if filter != "" {
		params.Set("filter", filter)
	}
	if len(q.OrderBy) > 0 {
		params["order_by"] = q.OrderBy
	}
	if token != "" {
		params.Set("page_token", token)
	}
	return params, seal, nil
}

const (
	defaultPage = 100
	largestPage = 10_000
	mostOrders  = 100

	largestHistory = 25_000 // points of a metric
)

// searchBody is what the body of every search that is posted says: the order, if there is one, and which page.
func searchBody[T any](order []T, size int, token string) map[string]any {
	body := map[string]any{"max_results": size}
	if len(order) > 0 {
		body["order_by"] = order
	}
	if token != "" {
		body["page_token"] = token
	}
	return body
}

// searchPage reads which page q asks for. MLflow takes one search's token for any other's place too, which would lose and
// repeat rows; so the client's tokens name their search.
func searchPage(kind string, q modelregistry.Query, most int) (size int, token string, seal func(string) string, err error) {
	switch {
	case q.PageSize < 0 || q.PageSize > max(most, largestPage):
		return 0, "", nil, fmt.Errorf("page size %d: %w: it is from 1 to %d", q.PageSize, modelregistry.ErrInvalid, max(most, largestPage))
	case len(q.OrderBy) > mostOrders:
		return 0, "", nil, fmt.Errorf("order by: %w: %d keys, at most %d", modelregistry.ErrInvalid, len(q.OrderBy), mostOrders)
	}
	h := sha256.New()
	for _, part := range append([]string{kind, q.Filter}, q.OrderBy...) {
		fmt.Fprintf(h, "%d %s ", len(part), part)
	}
	mark := hex.EncodeToString(h.Sum(nil)[:8]) + "."
	if q.PageToken != "" {
		var ok bool
		if token, ok = strings.CutPrefix(q.PageToken, mark); !ok || token == "" {
			return 0, "", nil, fmt.Errorf("page token %.40q: %w: it is not one, or of another search", q.PageToken, modelregistry.ErrInvalid)
		}
	}
	if size = q.PageSize; size == 0 {
		size = defaultPage
	}
	seal = func(next string) string {
		if next == "" {
			return ""
		}
		return mark + next
	}
	return min(size, most), token, seal, nil
}
