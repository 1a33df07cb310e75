package mlflow

import (
	"github.com/modelregistry-go/modelregistry"
)

// An Action is what a request wants to do with a resource.
type Action string

// The actions.
const (
	Read   Action = "read"
	Create Action = "create" // a resource of that name, or a version of that model, or a run of that experiment
	Update Action = "update" // descriptions, tags, metrics, files
	Delete Action = "delete"
	Move   Action = "move" // a version to another stage, an alias to another version
)

// A Kind says what a resource is.
type Kind string

// The kinds of resource.
const (
	KindModel       Kind = "model"   // Name is the registered model's; "" for a search or list
	KindVersion     Kind = "version" // Name is its model's, Version its number
	KindExperiment  Kind = "experiment"
	KindRun         Kind = "run"          // Name is its ID, Parent its experiment's ID where that is known
	KindLoggedModel Kind = "logged_model" // Name is its ID, Parent its experiment's ID where that is known
	KindArtifact    Kind = "artifact"     // Name is its path among the registry's artifacts
	KindWebhook     Kind = "webhook"
	KindMetrics     Kind = "metrics" // of the server: who asks for what, how often
)

// A Resource is what a request is about.
type Resource struct {
	Kind    Kind
	Name    string
	Version int                 // of KindVersion, or 0
	Alias   string              // that is moved, or ""
	Stage   modelregistry.Stage // that a version is moved to, or ""
	Parent  string
}

func (c *call) authenticate() error {
	if c.s.opts.Authenticate == nil {
		return nil
	}
	if len(c.r.Header.Values("Authorization")) > 1 { // a proxy may have looked at the other one
		return &apiError{Code: "BAD_REQUEST", Message: "The request has more than one Authorization header."}
	}
	principal, err := c.s.opts.Authenticate(c.r)
	if err != nil {
		return &apiError{Code: "UNAUTHENTICATED", Message: err.Error()}
	}
	c.principal = principal
	return nil
}

// authorize returns the registry, as the caller, if the caller may do action. It is the only way to the registry, so
// that no route can forget to ask.
func (c *call) authorize(action Action, resource Resource) (modelregistry.Registry, error) {
	if !c.may(action, resource) {
		return nil, c.denied
	}
	c.changes = c.changes || action != Read
	if c.principal == "" {
		return c.s.reg, nil
	}
	return c.s.reg.As(c.principal), nil
}

// may says whether the caller may do action. Searches ask it about each thing they find.
func (c *call) may(action Action, resource Resource) bool {
	if c.s.opts.Authorize == nil {
		return true
	}
	if err := c.s.opts.Authorize(c.r.Context(), c.principal, action, resource); err != nil {
		c.denied = &apiError{Code: "PERMISSION_DENIED", Message: err.Error()}
		return false
	}
	return true
}

func (c *call) authorizeModel(action Action, name string) (modelregistry.Registry, error) {
	return c.authorize(action, Resource{Kind: KindModel, Name: name})
}

func (c *call) authorizeVersion(action Action, name string, version int) (modelregistry.Registry, error) {
	return c.authorize(action, Resource{Kind: KindVersion, Name: name, Version: version})
}
