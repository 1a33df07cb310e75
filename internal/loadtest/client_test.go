package loadtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// A client does what many users do, by chance. Whatever the server answers other than success is an error, except that an
// alias may not be set.
type client struct {
	http     *http.Client
	url      string
	models   []*model
	rand     *rand.Rand
	requests int64
	last     upload
}

// An upload is a version that the client made with a file.
type upload struct {
	model, version string
	content        []byte
}

// work asks until ctx ends, and always to the end of what it began.
func (c *client) work(ctx context.Context) error {
	for ctx.Err() == nil {
		m := c.models[c.rand.IntN(len(c.models))]
		if err := c.step(context.WithoutCancel(ctx), m); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) step(ctx context.Context, m *model) error {
	what := c.rand.IntN(100)
	if m.created.Load() == 0 {
		what = 0
	}
	switch {
	case what < 12:
		return c.register(ctx, m)
	case what < 20:
		return c.registerUploaded(ctx, m)
	case what < 40:
		return c.promote(ctx, m)
	case what < 50:
		return c.call(ctx, http.MethodPost, "registered-models/alias", fields{"name": m.name, "alias": c.alias(), "version": c.version(m)}, nil)
	case what < 54:
		return c.call(ctx, http.MethodDelete, "registered-models/alias", fields{"name": m.name, "alias": c.alias()}, nil)
	case what < 64:
		var failed *failure
		err := c.call(ctx, http.MethodGet, "registered-models/alias", fields{"name": m.name, "alias": c.alias()}, nil)
		if errors.As(err, &failed) && strings.Contains(failed.body, "alias") && failed.status/100 == 4 {
			return nil
		}
		return err
	case what < 74:
		return c.search(ctx, m)
	case what < 84:
		return c.latest(ctx, m)
	case what < 92:
		return c.call(ctx, http.MethodGet, "model-versions/get", fields{"name": m.name, "version": c.version(m)}, nil)
	default:
		return c.download(ctx)
	}
}

func (c *client) alias() string { return fmt.Sprintf("alias-%d", c.rand.IntN(4)) }

// version is one that is there.
func (c *client) version(m *model) string {
	return strconv.FormatInt(1+c.rand.Int64N(m.created.Load()), 10)
}

func (c *client) register(ctx context.Context, m *model) error {
	_, err := c.create(ctx, m, fields{"name": m.name, "source": "s3://models/" + m.name, "tags": []fields{{"key": "by", "value": "load"}}})
	return err
}

func (c *client) create(ctx context.Context, m *model, request fields) (number string, err error) {
	var got struct {
		Version struct{ Version, Status string } `json:"model_version"`
	}
	if err := c.call(ctx, http.MethodPost, "model-versions/create", request, &got); err != nil {
		return "", err
	}
	// Numbers are given in order, so that when so many are acknowledged, those up to there are there, but for those
	// whose clients have yet to be told: they are there too.
	m.created.Add(1)
	if got.Version.Status != "READY" {
		return "", fmt.Errorf("version %s of %s is %q", got.Version.Version, m.name, got.Version.Status)
	}
	return got.Version.Version, nil
}

// registerUploaded makes a run, stores two files of it through the proxy, and registers them.
func (c *client) registerUploaded(ctx context.Context, m *model) error {
	var made struct {
		Run struct {
			Info struct {
				ID   string `json:"run_id"`
				Root string `json:"artifact_uri"`
			}
		}
	}
	if err := c.call(ctx, http.MethodPost, "runs/create", fields{"experiment_id": "0"}, &made); err != nil {
		return err
	}
	root, ok := strings.CutPrefix(made.Run.Info.Root, "mlflow-artifacts:/")
	if !ok {
		return fmt.Errorf("artifacts of a run are at %q", made.Run.Info.Root)
	}
	content := make([]byte, 1+c.rand.IntN(16<<10))
	for i := range content {
		content[i] = byte(c.rand.Uint32())
	}
	for path, content := range map[string][]byte{"MLmodel": []byte("flavors: {}\n"), "data/weights.bin": content} {
		if _, err := c.do(ctx, http.MethodPut, "/api/2.0/mlflow-artifacts/artifacts/"+root+"/model/"+path, content); err != nil {
			return err
		}
	}
	number, err := c.create(ctx, m, fields{"name": m.name, "source": "runs:/" + made.Run.Info.ID + "/model", "run_id": made.Run.Info.ID})
	if err == nil {
		c.last = upload{m.name, number, content}
	}
	return err
}

// download reads what the client uploaded last.
func (c *client) download(ctx context.Context) error {
	if c.last.model == "" {
		return nil
	}
	var at struct {
		URI string `json:"artifact_uri"`
	}
	if err := c.call(ctx, http.MethodGet, "model-versions/get-download-uri", fields{"name": c.last.model, "version": c.last.version}, &at); err != nil {
		return err
	}
	path, ok := strings.CutPrefix(at.URI, "mlflow-artifacts:/")
	if !ok {
		return fmt.Errorf("files of a version are at %q", at.URI)
	}
	content, err := c.do(ctx, http.MethodGet, "/api/2.0/mlflow-artifacts/artifacts/"+path+"/data/weights.bin", nil)
	if err == nil && !bytes.Equal(content, c.last.content) {
		err = fmt.Errorf("%s version %s has other content than was uploaded", c.last.model, c.last.version)
	}
	return err
}

func (c *client) promote(ctx context.Context, m *model) error {
	stage := "Production"
	if c.rand.IntN(3) == 0 {
		stage = "Staging"
	}
	return c.call(ctx, http.MethodPost, "model-versions/transition-stage",
		fields{"name": m.name, "version": c.version(m), "stage": stage, "archive_existing_versions": true}, nil)
}

type versionPage struct {
	Versions []struct {
		Version string
		Stage   string `json:"current_stage"`
	} `json:"model_versions"`
	Next string `json:"next_page_token"`
}

// search reads some pages, in an order in which writers add before the first row: nothing may come twice.
func (c *client) search(ctx context.Context, m *model) error {
	request := fields{"filter": "name = '" + m.name + "'", "max_results": 50, "order_by": "version_number DESC"}
	for last, pages := int64(1<<62), 0; pages < 3; pages++ {
		var page versionPage
		if err := c.call(ctx, http.MethodGet, "model-versions/search", request, &page); err != nil {
			return err
		}
		production := 0
		for _, v := range page.Versions {
			number, err := strconv.ParseInt(v.Version, 10, 64)
			if err != nil {
				return err
			}
			if number >= last || pages > 0 && number != last-1 {
				return fmt.Errorf("search of %s: version %d follows %d", m.name, number, last)
			}
			last = number
			if v.Stage == "Production" {
				production++
			}
		}
		if production > 1 {
			return fmt.Errorf("search of %s: %d versions are in Production", m.name, production)
		}
		if page.Next == "" {
			return nil
		}
		request["page_token"] = page.Next
	}
	return nil
}

func (c *client) latest(ctx context.Context, m *model) error {
	var page versionPage
	if err := c.call(ctx, http.MethodPost, "registered-models/get-latest-versions", fields{"name": m.name}, &page); err != nil {
		return err
	}
	stages := map[string]bool{}
	for _, v := range page.Versions {
		if stages[v.Stage] {
			return fmt.Errorf("latest versions of %s: several are in %s", m.name, v.Stage)
		}
		stages[v.Stage] = true
	}
	return nil
}

type fields map[string]any

// A failure is an answer other than success.
type failure struct {
	request string
	status  int
	body    string
}

func (f *failure) Error() string {
	return fmt.Sprintf("%s: status %d: %s", f.request, f.status, f.body)
}

// call sends a request of the API and decodes the answer into result, if it is not nil.
func (c *client) call(ctx context.Context, method, path string, request fields, result any) error {
	path = "/api/2.0/mlflow/" + path
	var body []byte
	var err error
	if method == http.MethodGet {
		query := url.Values{}
		for key, value := range request {
			query.Set(key, fmt.Sprint(value))
		}
		path += "?" + query.Encode()
	} else if body, err = json.Marshal(request); err != nil {
		return err
	}
	answer, err := c.do(ctx, method, path, body)
	if err != nil || result == nil {
		return err
	}
	return json.Unmarshal(answer, result)
}

func (c *client) do(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	c.requests++
	if resp.StatusCode != http.StatusOK {
		return nil, &failure{method + " " + path, resp.StatusCode, string(answer)}
	}
	return answer, nil
}
