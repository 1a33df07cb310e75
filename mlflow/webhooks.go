package mlflow

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/webhook"
)

func webhookRoutes() []route {
	return []route{
		{method: http.MethodPost, path: "webhooks", about: "create a webhook", handle: (*call).createWebhook},
		{method: http.MethodGet, path: "webhooks", about: "list webhooks, the newest first", handle: (*call).listWebhooks},
		{method: http.MethodGet, path: "webhooks/{webhook_id}", about: "a webhook", handle: (*call).getWebhook},
		{method: http.MethodPatch, path: "webhooks/{webhook_id}", about: "change a webhook", handle: (*call).updateWebhook},
		{method: http.MethodDelete, path: "webhooks/{webhook_id}", about: "delete a webhook", handle: (*call).deleteWebhook},
		{method: http.MethodPost, path: "webhooks/{webhook_id}/test", about: "send a webhook an example", handle: (*call).testWebhook},
	}
}

// webhookJSON is a webhook as clients see it: nobody is told a secret.
type webhookJSON struct {
	ID          string             `json:"webhook_id"`
	Name        string             `json:"name"`
	URL         string             `json:"url"`
	Events      []webhookEventJSON `json:"events"`
	Description string             `json:"description,omitempty"`
	Status      string             `json:"status"`
	Created     int64              `json:"creation_timestamp"`
	Updated     int64              `json:"last_updated_timestamp"`
}

type webhookEventJSON struct {
	Entity string `json:"entity"`
	Action string `json:"action"`
}

type webhookAnswer struct {
	Webhook webhookJSON `json:"webhook"`
}

func webhookOf(w *modelregistry.Webhook) webhookJSON {
	status := "ACTIVE"
	if w.Disabled {
		status = "DISABLED"
	}
	return webhookJSON{
		ID: w.ID, Name: w.Name, URL: w.URL, Description: w.Description, Status: status,
		Created: w.Created.UnixMilli(), Updated: w.Updated.UnixMilli(),
		Events: each(w.Events, func(name string) webhookEventJSON {
			entity, action, _ := strings.Cut(name, ".")
			return webhookEventJSON{strings.ToUpper(entity), strings.ToUpper(action)}
		}),
	}
}

// foreignEvents are those that MLflow's webhooks can ask for besides, about what this registry does not keep: to ask for
// them is no mistake, and they never happen.
var foreignEvents = []string{
	"prompt.created", "prompt_version.created", "prompt_tag.set", "prompt_tag.deleted", "prompt_version_tag.set",
	"prompt_version_tag.deleted", "prompt_alias.created", "prompt_alias.deleted", "budget_policy.exceeded",
}

// webhookEvent reads what a webhook is to be told of.
func webhookEvent(o object) string {
	entity, action := strings.ToLower(o.required("entity")), strings.ToLower(o.required("action"))
	name := entity + "." + action
	known := slices.Concat(webhook.MLflowNames(), foreignEvents)
	if slices.Contains(known, name) {
		return name
	}
	var actions []string
	for _, other := range known {
		if of, action, _ := strings.Cut(other, "."); of == entity {
			actions = append(actions, "'"+action+"'")
		}
	}
	if slices.Sort(actions); len(actions) == 0 {
		o.c.mistake(invalid("Invalid entity '%s' of a webhook event.", clip(entity)))
	} else {
		o.c.mistake(invalid("Invalid action '%s' for entity '%s'. Valid actions are: [%s]", clip(action), entity, strings.Join(actions, ", ")))
	}
	return ""
}

func (c *call) webhookEvents() []string {
	objects := c.objects("events")
	if most := len(webhook.MLflowNames()) + len(foreignEvents); len(objects) > most { // before each is looked at
		c.mistake(invalid("Invalid webhook events: %d of them, and there are %d.", len(objects), most))
		return nil
	}
	events := each(objects, webhookEvent)
	for i, name := range events {
		if slices.Contains(events[:i], name) {
			c.mistake(invalid("Invalid webhook events: %s is there twice.", name))
		}
	}
	return events
}

var webhookNameRE = regexp.MustCompile(`^(?i:[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?)$`)

func checkWebhookName(name string) error {
	if !webhookNameRE.MatchString(name) {
		return invalid("Webhook name '%s' is invalid. It must start and end with a letter or digit, be less than 63 characters long, "+
			"and contain only letters, digits, dots (.), underscores (_), and hyphens (-).", clip(name))
	}
	return nil
}

func checkWebhookURL(text string) error {
	if strings.TrimSpace(text) == "" {
		return invalid("Webhook URL cannot be empty or just whitespace: '%s'", clip(text))
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return invalid("Invalid webhook URL '%s'", clip(text))
	case u.Scheme != "https" && u.Scheme != "http":
		return invalid("Invalid webhook URL scheme: '%s'. Allowed schemes are: https, http.", clip(u.Scheme))
	case u.Hostname() == "":
		return invalid("Webhook URL must include a hostname: '%s'", clip(text))
	}
	return nil
}

// disabled reads the field status.
func (c *call) disabled() bool {
	status := c.text("status")
	switch strings.ToUpper(status) {
	case "", "ACTIVE":
		return false
	case "DISABLED":
		return true
	}
	c.mistake(invalid("Invalid webhook status '%s'. Valid statuses are: ['ACTIVE', 'DISABLED']", clip(status)))
	return false
}

// sealed is the secret, as it is kept.
func (c *call) sealed(secret string) []byte {
	switch {
	case secret == "":
		return nil
	case c.s.opts.Secrets == nil:
		c.mistake(invalid("A webhook's secret cannot be kept: the server has no key to seal it with. Configure one (Options.Secrets), " +
			"or create the webhook without a secret."))
		return nil
	}
	return c.s.opts.Secrets.Seal([]byte(secret))
}

func noWebhook(err error, id string) error {
	return orNotFound(err, "Webhook with ID %s not found.", clip(id))
}

// toWebhook is the registry, for doing action with the webhook in the path.
func (c *call) toWebhook(action Action) (reg modelregistry.Registry, id string, err error) {
	id = c.r.PathValue("webhook_id")
	reg, err = c.authorize(action, Resource{Kind: KindWebhook, Name: id})
	return reg, id, err
}

func (c *call) createWebhook() (any, error) {
	reg, err := c.authorize(Create, Resource{Kind: KindWebhook})
	if err != nil {
		return nil, err
	}
	spec := modelregistry.WebhookSpec{Name: c.required("name"), URL: c.required("url")}
	if !c.has("events") {
		c.missing("events")
	}
	spec.Events = c.webhookEvents()
	spec.Description, spec.Disabled, spec.Secret = c.text("description"), c.disabled(), c.sealed(c.text("secret"))
	var none error
	if len(spec.Events) == 0 {
		none = invalid("Webhook events must be a non-empty list of WebhookEvent objects: [].")
	}
	if err := c.wrong(checkWebhookName(spec.Name), checkWebhookURL(spec.URL), none); err != nil {
		return nil, err
	}
	w, err := reg.CreateWebhook(c.r.Context(), spec)
	if err != nil {
		return nil, err
	}
	return webhookAnswer{webhookOf(w)}, nil
}

func (c *call) listWebhooks() (any, error) {
	limit := c.integer("max_results", 100)
	if limit == 0 {
		limit = 100
	}
	q := modelregistry.Query{PageToken: c.pageToken()}
	var problem error
	if limit < 1 || limit > 1000 {
		problem = invalid("max_results must be between 1 and 1000.")
	}
	if err := c.wrong(problem); err != nil {
		return nil, err
	}
	reg, err := c.authorize(Read, Resource{Kind: KindWebhook})
	if err != nil {
		return nil, err
	}
	found, next, err := search(c, int(limit), q, func(q modelregistry.Query) ([]*modelregistry.Webhook, string, error) {
		page, err := reg.Webhooks(c.r.Context(), q)
		return page.Webhooks, page.Next, err
	}, func(w *modelregistry.Webhook) bool { return c.may(Read, Resource{Kind: KindWebhook, Name: w.ID}) })
	if err != nil {
		return nil, err
	}
	return struct {
		Webhooks []webhookJSON `json:"webhooks,omitempty"`
		Next     string        `json:"next_page_token,omitempty"`
	}{each(found, webhookOf), next}, nil
}

func (c *call) getWebhook() (any, error) {
	reg, id, err := c.toWebhook(Read)
	if err != nil {
		return nil, err
	}
	w, err := reg.Webhook(c.r.Context(), id)
	if err != nil {
		return nil, noWebhook(err, id)
	}
	return webhookAnswer{webhookOf(w)}, nil
}

// updateWebhook changes what the request has; a name, a URL or events that are empty change nothing.
func (c *call) updateWebhook() (any, error) {
	reg, id, err := c.toWebhook(Update)
	if err != nil {
		return nil, err
	}
	var patch modelregistry.WebhookPatch
	var checks []error
	if name := c.text("name"); name != "" {
		patch.Name = &name
		checks = append(checks, checkWebhookName(name))
	}
	if to := c.text("url"); to != "" {
		patch.URL = &to
		checks = append(checks, checkWebhookURL(to))
	}
	if events := c.webhookEvents(); len(events) > 0 {
		patch.Events = events
	}
	if c.has("description") {
		patch.Description = new(c.text("description"))
	}
	if c.has("secret") {
		patch.Secret = new(c.sealed(c.text("secret")))
	}
	if c.has("status") {
		patch.Disabled = new(c.disabled())
	}
	if err := c.wrong(checks...); err != nil {
		return nil, err
	}
	w, err := reg.UpdateWebhook(c.r.Context(), id, patch)
	if err != nil {
		return nil, noWebhook(err, id)
	}
	return webhookAnswer{webhookOf(w)}, nil
}

func (c *call) deleteWebhook() (any, error) {
	reg, id, err := c.toWebhook(Delete)
	if err != nil {
		return nil, err
	}
	return nil, noWebhook(reg.DeleteWebhook(c.r.Context(), id), id)
}

type webhookResult struct {
	Success bool   `json:"success"`
	Status  int    `json:"response_status,omitempty"`
	Problem string `json:"error_message,omitempty"`
}

// testWebhook sends an example of an event, the webhook's first if the request names none. It answers with the status and
// not with what else came back: that may be the inside of a network.
func (c *call) testWebhook() (any, error) {
	event := ""
	if c.has("event") {
		event = webhookEvent(c.whole().object("event"))
	}
	if c.problem != nil {
		return nil, c.problem
	}
	reg, id, err := c.toWebhook(Update)
	if err != nil {
		return nil, err
	}
	hook, err := reg.Webhook(c.r.Context(), id)
	if err != nil {
		return nil, noWebhook(err, id)
	}
	if event == "" {
		event = hook.Events[0]
	}
	example, ok := webhook.MLflowExample(event, time.Now())
	if !ok {
		return nil, invalid("There is no example of the event %s.", event)
	}
	status, err := c.s.opts.Webhooks.Send(c.r.Context(), hook, example)
	result := webhookResult{Success: err == nil, Status: status}
	if err != nil {
		result.Problem = fmt.Sprintf("Failed to test webhook: %v", err)
	}
	return struct {
		Result webhookResult `json:"result"`
	}{result}, nil
}
