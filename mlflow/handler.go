package mlflow

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/webhook"
)

// Options configure Handler. Nil means all defaults: no authentication, for a server on this machine or a private network.
type Options struct {
	// Authenticate says who makes a request; nil is nobody in particular. An error answers 401 with its text, so it
	// tells what is wanted and nothing else. The name is the actor of what the request changes.
	Authenticate func(r *http.Request) (principal string, err error)
	// Authorize says whether a principal may do something; nil is everything. An error answers 403 with its text, or
	// leaves the thing out of what a search finds. It is asked before anything of the registry is looked at or
	// changed, by every route.
	Authorize func(ctx context.Context, principal string, action Action, resource Resource) error
	// AllowedHosts are values of Host that are answered besides localhost, loopback and private addresses: each with or
	// without a port, * standing for any characters. Others are refused, which keeps out web pages that have their own
	// name resolve to this machine.
	AllowedHosts []string
	// AllowedOrigins are the web origins whose pages may read and change something, such as https://tools.example.com; the
	// server's own always may. Others are refused.
	AllowedOrigins []string
	// MaxBody is how many bytes of JSON a request may have; 0 is 8 MiB. Artifacts are not limited.
	MaxBody int64
	// MaxHeld is how many bytes all requests together may hold, of JSON that came and of answers that are not yet sent; 0 is
	// 256 MiB. A request that would hold more is answered 429, before anything is done or when its answer is not to be had.
	// The first 64 KiB of a request and of an answer are not counted, and artifacts are not held.
	MaxHeld int64
	// Secrets seals what signs webhooks, which without it cannot have a secret; and where there is an Authorize, the tokens
	// of pages: handlers that answer for one another need one with the same key. Nil seals tokens with a key of its own.
	Secrets *webhook.Sealer
	// Webhooks sends the examples by which webhooks are tried out; nil is one of its own, for https URLs of public
	// addresses. To tell webhooks of what happens, Run one: the handler does not.
	Webhooks *webhook.Deliverer
	// PlainSearch leaves the aliases out of the versions that model-versions/search finds, as MLflow does. Without it they
	// are filled in, which its users ask for and some programs made for it cannot take: mlflow-export-import is one.
	PlainSearch bool
	// Metrics answers GET /metrics, for those who may Read KindMetrics; nil is that there is no such endpoint.
	Metrics http.Handler
	// Version is what /version answers; "" is MLflow's that the handler follows.
	Version string
	// Logger is told of faults; nil is slog.Default.
	Logger *slog.Logger
}

// apiVersion is the version of MLflow that the handler follows.
const apiVersion = "3.17.2"

// Handler serves a registry to MLflow clients. It keeps no state; several may serve one registry. Below an http.ServeMux it
// is the mux that answers unclean paths, with a redirect; as a Server's Handler this one cleans those of artifacts and refuses
// others.
func Handler(reg modelregistry.Registry, opts *Options) http.Handler {
	if opts == nil {
		opts = &Options{}
	}
	s := &server{reg: reg, opts: *opts, mux: http.NewServeMux()}
	if s.opts.MaxBody <= 0 {
		s.opts.MaxBody = 8 << 20
	}
	if s.opts.MaxHeld <= 0 {
		s.opts.MaxHeld = 256 << 20
	}
	s.flight.left = s.opts.MaxHeld
	if s.opts.Version == "" {
		s.opts.Version = apiVersion
	}
	if s.opts.Logger == nil {
		s.opts.Logger = slog.Default()
	}
	if s.opts.Webhooks == nil {
		trial := &webhook.Options{Logger: s.opts.Logger}
		if s.opts.Secrets != nil {
			trial.Open = s.opts.Secrets.Open
		}
		s.opts.Webhooks = webhook.New(reg, trial)
	}
	if s.opts.Authorize != nil {
		s.tokens = s.opts.Secrets
		if s.tokens == nil {
			s.tokens = newSealer()
		}
	}
	s.spoken = routes()
	if s.opts.Metrics != nil {
		s.spoken = append(s.spoken, route{method: http.MethodGet, path: "/metrics", about: "metrics of this server", handle: (*call).metrics, raw: true})
	}
	taken := map[string]bool{}
	for _, rt := range s.spoken {
		for _, pattern := range rt.patterns() {
			s.mux.Handle(pattern, s.serve(rt))
			taken[pattern] = true
		}
	}
	for _, rt := range s.spoken {
		for _, pattern := range rt.patterns() {
			// Where the rest of a path is missing, http.ServeMux would redirect to where it is empty.
			if above := restRE.ReplaceAllString(pattern, ""); !taken[above] {
				s.mux.Handle(above, s.serve(rt))
			}
		}
	}
	s.mux.HandleFunc("/", s.notSpoken)
	return s.guard(s.mux)
}

type server struct {
	reg    modelregistry.Registry
	opts   Options
	mux    *http.ServeMux
	spoken []route
	flight flight
	tokens *webhook.Sealer // of pages; nil if there is nothing to hide
}

// newSealer is one with a key that nobody else has.
func newSealer() *webhook.Sealer {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	sealer, err := webhook.NewSealer(key)
	if err != nil {
		panic(err) // of a key that has another length
	}
	return sealer
}

// A route is one endpoint.
type route struct {
	method string
	path   string // below api, or absolute if it has another root
	about  string // for /docs
	// handle answers with what becomes JSON (nil: {}), unless the call has been answered already.
	handle func(c *call) (any, error)
	// raw says that the request has no JSON and no form: handle reads the body itself.
	raw bool
	// public is answered to anybody: it tells nothing.
	public bool
}

// The roots of the API: MLflow's user interface uses the second.
var roots = []string{"/api/", "/ajax-api/"}

const api = "2.0/mlflow/"

// restRE is the end of a pattern that takes all the rest of a path.
var restRE = regexp.MustCompile(`/\{\w+\.\.\.\}$`)

// routes is all that is spoken.
func routes() []route {
	return slices.Concat(serverRoutes(), modelRoutes(), versionRoutes(), experimentRoutes(), runRoutes(), loggedModelRoutes(),
		artifactRoutes(), webhookRoutes())
}

// patterns are those of http.ServeMux.
func (rt *route) patterns() []string {
	if strings.HasPrefix(rt.path, "/") {
		return []string{rt.method + " " + rt.path}
	}
	path := rt.path
	if !strings.HasPrefix(path, "2.0/") && !strings.HasPrefix(path, "3.0/") {
		path = api + path
	}
	var out []string
	for _, root := range roots {
		out = append(out, rt.method+" "+root+path)
	}
	return out
}

// serve answers one route.
func (s *server) serve(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{s: s, w: w, r: r}
		defer c.release()
		answer, err := c.respond(&rt)
		if err == nil && !c.answered {
			err = c.holdAnswer(answer)
		}
		switch {
		case err != nil:
			s.fail(w, r, err)
		case !c.answered:
			writeJSON(w, answer)
		}
	})
}

func (c *call) respond(rt *route) (any, error) {
	if !rt.public {
		if err := c.authenticate(); err != nil {
			return nil, err
		}
	}
	if !rt.raw {
		if err := c.parse(); err != nil {
			return nil, err
		}
	}
	return rt.handle(c)
}

// notSpoken answers what no route does.
func (s *server) notSpoken(w http.ResponseWriter, r *http.Request) {
	status := http.StatusNotFound
	if allow := s.methods(r); len(allow) > 0 {
		w.Header().Set("Allow", strings.Join(allow, ", "))
		status = http.StatusMethodNotAllowed
	}
	e := &apiError{Code: "ENDPOINT_NOT_FOUND", status: status,
		Message: "There is no endpoint " + r.Method + " " + clip(r.URL.Path) + " here; GET /docs lists those there are."}
	e.write(w)
}

// methods are those that the path has.
func (s *server) methods(r *http.Request) []string {
	var allow []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		probe := r.Clone(r.Context())
		probe.Method = method
		if _, pattern := s.mux.Handler(probe); pattern != "/" && pattern != "" {
			allow = append(allow, method)
		}
	}
	return allow
}

func clip(s string) string {
	if len(s) > 300 {
		return strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}
