package webhook_test

import (
	"context"
	"crypto/hmac"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/webhook"
)

func ExampleRun() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	reg, err := modelregistry.New(ctx, memory.New(), nil, &modelregistry.Options{Actor: "ann"})
	if err != nil {
		log.Fatal(err)
	}

	// Who is told: it verifies that the registry says so.
	told := make(chan string)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		want := webhook.Signature([]byte("a secret"), r.Header.Get(webhook.HeaderID), r.Header.Get(webhook.HeaderTimestamp), body)
		if err != nil || !hmac.Equal([]byte(want), []byte(r.Header.Get(webhook.HeaderSignature))) {
			http.Error(w, "not signed", http.StatusForbidden)
			return
		}
		var event struct {
			Entity, Action string
			Data           json.RawMessage
		}
		if err := json.Unmarshal(body, &event); err != nil {
			http.Error(w, "not JSON", http.StatusBadRequest)
			return
		}
		told <- fmt.Sprintf("%s.%s %s", event.Entity, event.Action, event.Data)
	}))
	defer receiver.Close()

	// A real key comes from the program's configuration.
	sealer, err := webhook.NewSealer(make([]byte, 32))
	if err != nil {
		log.Fatal(err)
	}
	_, err = reg.CreateWebhook(ctx, modelregistry.WebhookSpec{
		Name: "deployments", URL: receiver.URL, Events: []string{webhook.ModelVersionStageChanged}, Secret: sealer.Seal([]byte("a secret")),
	})
	if err != nil {
		log.Fatal(err)
	}
	// The receiver of this example is on loopback and has no certificate.
	go func() {
		if err := webhook.Run(ctx, reg, &webhook.Options{Open: sealer.Open, AllowPrivate: true, AllowHTTP: true}); err != nil {
			log.Print(err)
		}
	}()

	v, err := reg.Register(ctx, "fraud", modelregistry.VersionSpec{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := reg.Promote(ctx, "fraud", v.Number, modelregistry.Production, nil); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-told)
	// Output:
	// model_version.stage_changed {"name":"fraud","version":"1","from_stage":"None","to_stage":"Production","user_id":"ann"}
}
