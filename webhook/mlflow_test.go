package webhook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/internal/stores"
	"github.com/modelregistry-go/modelregistry/webhook"
)

// told are the payloads of all that a registry has to tell, without their timestamps.
func told(t *testing.T, reg modelregistry.Registry) (out []string) {
	for e, err := range reg.Events(t.Context(), modelregistry.EventQuery{}) {
		require.NoError(t, err)
		payloads, err := webhook.MLflow(t.Context(), reg, e)
		require.NoError(t, err)
		for _, p := range payloads {
			var doc struct {
				Entity, Action, Timestamp string
				Data                      json.RawMessage
			}
			require.NoError(t, json.Unmarshal(p.Body, &doc))
			at, err := time.Parse(time.RFC3339Nano, doc.Timestamp)
			require.NoError(t, err)
			require.True(t, at.Equal(e.Time))
			require.Equal(t, p.Name, doc.Entity+"."+doc.Action)
			require.Contains(t, webhook.MLflowNames(), p.Name)
			out = append(out, fmt.Sprintf("%s %s", p.Name, doc.Data))
		}
	}
	return out
}

func TestWhatMLflowIsTold(t *testing.T) {
	ctx := t.Context()
	for _, c := range []struct {
		name   string
		change func(ctx context.Context, r modelregistry.Registry) error
		want   []string
	}{
		{"create a model", func(ctx context.Context, r modelregistry.Registry) error {
			_, err := r.CreateModel(ctx, "n", modelregistry.ModelSpec{Description: "d", Tags: map[string]string{"k": "v"}})
			return err
		}, []string{`registered_model.created {"name":"n","tags":{"k":"v"},"description":"d"}`}},
		{"register a version", func(ctx context.Context, r modelregistry.Registry) error {
			_, err := r.Register(ctx, "m", modelregistry.VersionSpec{Source: "s3://x", RunID: "r", Tags: map[string]string{"k": "v"}, Aliases: []string{"new"}})
			return err
		}, []string{
			`model_version.created {"name":"m","version":"3","source":"s3://x","run_id":"r","tags":{"k":"v"},"description":null}`,
			`model_version_alias.created {"name":"m","alias":"new","version":"3"}`,
		}},
		{"describe and tag a model", func(ctx context.Context, r modelregistry.Registry) error {
			_, err := r.UpdateModel(ctx, "m", modelregistry.ModelPatch{Description: new("d"), SetTags: map[string]string{"b": "2", "a": "", "same": "0"}, DeleteTags: []string{"old"}})
			return err
		}, []string{
			`registered_model.updated {"name":"m","description":"d","user_id":"ada"}`,
			`registered_model_tag.set {"name":"m","key":"a","value":""}`,
			`registered_model_tag.set {"name":"m","key":"b","value":"2"}`,
			`registered_model_tag.deleted {"name":"m","key":"old"}`,
		}},
		{"describe and tag a version", func(ctx context.Context, r modelregistry.Registry) error {
			_, err := r.UpdateVersion(ctx, "m", 1, modelregistry.VersionPatch{Description: new(""), SetTags: map[string]string{"a": "1"}, DeleteTags: []string{"old"}})
			return err
		}, []string{
			`model_version.updated {"name":"m","version":"1","description":"","user_id":"ada"}`,
			`model_version_tag.set {"name":"m","version":"1","key":"a","value":"1"}`,
			`model_version_tag.deleted {"name":"m","version":"1","key":"old"}`,
		}},
		{"change nothing", func(ctx context.Context, r modelregistry.Registry) error {
			if _, err := r.UpdateVersion(ctx, "m", 1, modelregistry.VersionPatch{Description: new("first"), SetTags: map[string]string{"old": "1"}}); err != nil {
				return err
			}
			if _, err := r.SetAlias(ctx, "m", "champion", 1, nil); err != nil {
				return err
			}
			_, err := r.Transition(ctx, "m", 1, modelregistry.Production, nil)
			return err
		}, nil},
		{"move an alias", func(ctx context.Context, r modelregistry.Registry) error {
			_, err := r.SetAlias(ctx, "m", "champion", 2, nil)
			return err
		}, []string{`model_version_alias.created {"name":"m","alias":"champion","version":"2"}`}},
		{"delete an alias", func(ctx context.Context, r modelregistry.Registry) error {
			_, err := r.DeleteAlias(ctx, "m", "champion", nil)
			return err
		}, []string{`model_version_alias.deleted {"name":"m","alias":"champion"}`}},
		{"promote", func(ctx context.Context, r modelregistry.Registry) error {
			_, err := r.Promote(ctx, "m", 2, modelregistry.Production, &modelregistry.PromoteOptions{Reason: "better"})
			return err
		}, []string{
			`model_version.stage_changed {"name":"m","version":"1","from_stage":"Production","to_stage":"Archived","user_id":"ada","reason":"better"}`,
			`model_version.stage_changed {"name":"m","version":"2","from_stage":"None","to_stage":"Production","user_id":"ada","reason":"better"}`,
		}},
		{"roll back", func(ctx context.Context, r modelregistry.Registry) error {
			if _, err := r.Promote(ctx, "m", 2, modelregistry.Production, nil); err != nil {
				return err
			}
			_, err := r.Rollback(ctx, "m", modelregistry.Production, nil)
			return err
		}, []string{
			`model_version.stage_changed {"name":"m","version":"1","from_stage":"Production","to_stage":"Archived","user_id":"ada"}`,
			`model_version.stage_changed {"name":"m","version":"2","from_stage":"None","to_stage":"Production","user_id":"ada"}`,
			`model_version.stage_changed {"name":"m","version":"2","from_stage":"Production","to_stage":"Archived","user_id":"ada"}`,
			`model_version.stage_changed {"name":"m","version":"1","from_stage":"Archived","to_stage":"Production","user_id":"ada"}`,
		}},
		{"delete a version", func(ctx context.Context, r modelregistry.Registry) error {
			return r.DeleteVersion(ctx, "m", 1, &modelregistry.DeleteOptions{Force: true})
		}, []string{
			`model_version_alias.deleted {"name":"m","alias":"champion"}`,
			`model_version.deleted {"name":"m","version":"1","user_id":"ada"}`,
		}},
		{"rename", func(ctx context.Context, r modelregistry.Registry) error {
			_, err := r.RenameModel(ctx, "m", "n", nil)
			return err
		}, []string{`registered_model.renamed {"name":"m","new_name":"n","user_id":"ada"}`}},
		{"delete a model", func(ctx context.Context, r modelregistry.Registry) error {
			return r.DeleteModel(ctx, "m", &modelregistry.DeleteOptions{Force: true})
		}, []string{
			`model_version.deleted {"name":"m","version":"1","user_id":"ada"}`,
			`model_version.deleted {"name":"m","version":"2","user_id":"ada"}`,
			`registered_model.deleted {"name":"m","user_id":"ada"}`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := openRegistry(t, stores.Memory, "", nil)
			_, err := r.CreateModel(ctx, "m", modelregistry.ModelSpec{Tags: map[string]string{"old": "1", "same": "0"}})
			require.NoError(t, err)
			for range 2 {
				_, err = r.Register(ctx, "m", modelregistry.VersionSpec{Description: "first", Tags: map[string]string{"old": "1"}})
				require.NoError(t, err)
			}
			_, err = r.SetAlias(ctx, "m", "champion", 1, nil)
			require.NoError(t, err)
			_, err = r.Promote(ctx, "m", 1, modelregistry.Production, nil)
			require.NoError(t, err)
			before := len(told(t, r))
			require.NoError(t, c.change(ctx, r))
			require.Equal(t, c.want, append([]string(nil), told(t, r)[before:]...))
		})
	}
}

// The examples of MLflow 3.17's own payloads, as webhooks/types.py has them.
func TestMLflowExamples(t *testing.T) {
	own := map[string]string{
		webhook.RegisteredModelCreated:   `{"name":"example_model","tags":{"example_key":"example_value"},"description":"An example registered model"}`,
		webhook.ModelVersionCreated:      `{"name":"example_model","version":"1","source":"models:/123","run_id":"abcd1234abcd5678","tags":{"example_key":"example_value"},"description":"An example model version"}`,
		webhook.ModelVersionTagSet:       `{"name":"example_model","version":"1","key":"example_key","value":"example_value"}`,
		webhook.ModelVersionTagDeleted:   `{"name":"example_model","version":"1","key":"example_key"}`,
		webhook.ModelVersionAliasCreated: `{"name":"example_model","alias":"example_alias","version":"1"}`,
		webhook.ModelVersionAliasDeleted: `{"name":"example_model","alias":"example_alias"}`,
	}
	at := time.Date(2031, 5, 31, 9, 0, 0, 0, time.UTC)
	names := webhook.MLflowNames()
	require.Len(t, unique(names), len(names), "each name once")
	require.Len(t, names, 14)
	for _, name := range names {
		p, ok := webhook.MLflowExample(name, at)
		require.True(t, ok)
		var doc struct {
			Timestamp string
			Data      json.RawMessage
		}
		require.NoError(t, json.Unmarshal(p.Body, &doc))
		require.Equal(t, "2031-05-31T09:00:00.000000+00:00", doc.Timestamp)
		if want := own[name]; want != "" {
			require.JSONEq(t, want, string(doc.Data), name)
			delete(own, name)
		}
	}
	require.Empty(t, own)
	_, ok := webhook.MLflowExample("prompt.created", at)
	require.False(t, ok)
}
