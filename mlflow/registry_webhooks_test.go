package mlflow_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/mlflow"
	"github.com/modelregistry-go/modelregistry/webhook"
)

var created = []fields{{"entity": "MODEL_VERSION", "action": "CREATED"}}

// Webhooks are created, listed, changed and deleted, and nobody is told their secrets.
func TestWebhooks(t *testing.T) {
	sealer, err := webhook.NewSealer(bytes.Repeat([]byte{7}, 32))
	require.NoError(t, err)
	s := newServer(t, &mlflow.Options{Secrets: sealer})
	hook := func(r reply) fields { return r.ok()["webhook"].(fields) }
	first := hook(s.post("webhooks", fields{"name": "first", "url": "https://example.com/a", "events": created, "secret": "s3cret", "description": "d"}))
	require.Equal(t, []any{fields{"entity": "MODEL_VERSION", "action": "CREATED"}}, first["events"])
	require.Equal(t, "ACTIVE", first["status"])
	require.NotContains(t, first, "secret")
	id := first["webhook_id"].(string)
	kept, err := s.reg.Webhook(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []string{"model_version.created"}, kept.Events)
	require.NotContains(t, string(kept.Secret), "s3cret")
	opened, err := sealer.Open(kept.Secret)
	require.NoError(t, err)
	require.Equal(t, "s3cret", string(opened))

	second := hook(s.post("webhooks", fields{"name": "first", "url": "https://example.com/b", "events": created, "status": "DISABLED"}))
	require.Equal(t, "DISABLED", second["status"])
	page := s.get("webhooks", "max_results", "1").ok()
	require.Equal(t, second["webhook_id"], page["webhooks"].([]any)[0].(fields)["webhook_id"], "the newest first")
	page = s.get("webhooks", "max_results", "1", "page_token", page["next_page_token"].(string)).ok()
	require.Equal(t, first["webhook_id"], page["webhooks"].([]any)[0].(fields)["webhook_id"])
	require.NotContains(t, page, "next_page_token")

	changed := hook(s.patch("webhooks/"+id, fields{"name": "", "events": []fields{}, "description": "", "secret": "", "status": "DISABLED"}))
	require.Equal(t, "first", changed["name"])
	require.NotContains(t, changed, "description")
	require.Len(t, changed["events"], 1)
	kept, err = s.reg.Webhook(t.Context(), id)
	require.NoError(t, err)
	require.Empty(t, kept.Secret)
	require.Equal(t, changed, hook(s.get("webhooks/"+id)))
	s.delete("webhooks/"+id, nil).ok()
	s.get("webhooks/"+id).fails(404, notThere, "Webhook with ID "+id+" not found.")
	s.delete("webhooks/"+id, nil).fails(404, notThere, "Webhook with ID "+id+" not found.")
}

func TestWebhookMistakes(t *testing.T) {
	s := newServer(t, nil)
	good := fields{"name": "n", "url": "https://example.com", "events": created}
	s.post("webhooks", good).ok()
	for _, change := range []fields{
		{"name": "-a"}, {"name": "a b"}, {"name": ""}, {"url": "ftp://h/x"}, {"url": "https:///x"}, {"url": " "}, {"events": []fields{}},
		{"events": nil}, {"status": "PAUSED"}, {"events": []fields{{"entity": "MODEL_VERSION"}}}, {"events": []fields{{"entity": "X", "action": "CREATED"}}},
		{"events": []fields{created[0], created[0]}}, {"events": []fields{{"entity": "REGISTERED_MODEL", "action": "EXCEEDED"}}}, {"secret": "x"}, {"secret": 5},
	} {
		request := fields{}
		for k, v := range good {
			request[k] = v
		}
		for k, v := range change {
			request[k] = v
		}
		r := s.post("webhooks", request)
		require.Equal(t, http.StatusBadRequest, r.status, "%v: %s", change, r.body)
		require.Contains(t, string(r.body), invalidValue, "%v", change)
	}
	s.get("webhooks", "max_results", "1001").fails(400, invalidValue, "max_results must be between 1 and 1000.")
}

// Trying a webhook out tells the status of the answer and nothing of what else came back.
func TestWebhookTest(t *testing.T) {
	var got string
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = string(body)
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "the inside of a network")
	}))
	defer receiver.Close()
	s := newServer(t, &mlflow.Options{Webhooks: webhook.New(nil, &webhook.Options{AllowPrivate: true, AllowHTTP: true})})
	hook := s.post("webhooks", fields{"name": "n", "url": receiver.URL, "events": created}).ok()["webhook"].(fields)
	r := s.post("webhooks/"+hook["webhook_id"].(string)+"/test", fields{})
	require.Equal(t, json.Number("418"), r.ok()["result"].(fields)["response_status"])
	require.Equal(t, false, r.ok()["result"].(fields)["success"])
	require.NotContains(t, string(r.body), "inside")
	require.Contains(t, got, `"entity":"model_version","action":"created"`)
	s.post("webhooks/"+hook["webhook_id"].(string)+"/test", fields{"event": fields{"entity": "REGISTERED_MODEL", "action": "CREATED"}}).ok()
	require.Contains(t, got, `"entity":"registered_model"`)

	// Without leave to, no private address is asked.
	got = ""
	s = newServer(t, nil)
	hook = s.post("webhooks", fields{"name": "n", "url": receiver.URL, "events": created}).ok()["webhook"].(fields)
	result := s.post("webhooks/"+hook["webhook_id"].(string)+"/test", fields{}).ok()["result"].(fields)
	require.Equal(t, false, result["success"])
	require.NotContains(t, result, "response_status")
	require.Empty(t, got)
}

// However many events a request lists, who may not make webhooks is told so before they are looked at; and who may is told
// before each is compared with all others.
func TestWebhookEventsAreFew(t *testing.T) {
	many := make([]fields, 16_000)
	for i := range many {
		many[i] = fields{"entity": "MODEL_VERSION", "action": "CREATED"}
	}
	body := fields{"name": "w", "url": "https://example.com/", "events": many}
	s := newServer(t, nil)
	s.post("webhooks", body).fails(400, invalidValue, "Invalid webhook events: 16000 of them, and there are 23.")
	s = newServer(t, &mlflow.Options{Authorize: func(context.Context, string, mlflow.Action, mlflow.Resource) error {
		return errors.New("not for you")
	}})
	s.post("webhooks", body).fails(403, "PERMISSION_DENIED", "not for you")
	s.patch("webhooks/w", body).fails(403, "PERMISSION_DENIED", "not for you")
}
