package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPlainTextShowsWhatIsNotToBeSeen(t *testing.T) {
	for text, want := range map[string]string{
		"model iris/1\n\tdone": "model iris/1\n\tdone", "模型 é 🙂": "模型 é 🙂", "a\x1b]0;t\x07": `a\x1b]0;t\a`, "\r": `\r`, "\u202egnp": `\u202egnp`, "\x9b2J": `\x9b2J`,
		"\u009b2J": `\u009b2J`, "\x00": `\x00`, "\ufffd": "\ufffd",
	} {
		require.Equal(t, want, plain(text))
	}
	require.Equal(t, `a\nleft: b`, line("a\nleft: b"))
}

const evil = "evil\x1b]0;pwned\x07\x1b[2J\x1b[31mOK\x1b[0m\rmodels 99 copied\n\u202e"

// A foreign server says nothing to the operator's terminal, and is sent no credentials by the sources of its versions.
func TestImportFromAHostileServer(t *testing.T) {
	var sent atomic.Int32
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { sent.Add(1) }))
	t.Cleanup(sink.Close)
	host := strings.TrimPrefix(sink.URL, "http://")
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIAOPERATORKEY00001", "AWS_SECRET_ACCESS_KEY": "operator", "AWS_SESSION_TOKEN": "operator", "AWS_EC2_METADATA_DISABLED": "true",
		"AZURE_STORAGE_ACCOUNT": "acc", "AZURE_STORAGE_SAS_TOKEN": "sv=2024&sig=operator",
	} {
		t.Setenv(name, value)
	}
	sources := map[string]string{
		evil: "s3://bucket/" + evil, "s3": "s3://bucket/model?endpoint=" + sink.URL + "&region=us-east-1&use_path_style=true",
		"azure": "azblob://container/model?domain=" + host + "&protocol=http&storage_account=acc&localemu=true", "file": "file:///etc", "path": "/etc",
		"role": "s3://bucket/model?region=us-east-1&role=arn:aws:iam::1:role/x&profile=prod", "http": sink.URL + "/x",
	}
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		type object = map[string]any
		version := func(name string) object {
			return object{"name": name, "version": "1", "current_stage": "None", "source": sources[name], "status": "READY", "description": evil}
		}
		q := r.URL.Query()
		var answer any
		switch name := q.Get("name"); {
		case strings.HasSuffix(r.URL.Path, "registered-models/search"):
			var models []object
			for name := range sources {
				models = append(models, object{"name": name, "latest_versions": []object{version(name)}})
			}
			answer = object{"registered_models": models}
		case strings.HasSuffix(r.URL.Path, "registered-models/get"):
			answer = object{"registered_model": object{"name": name, "latest_versions": []object{version(name)}}}
		case strings.HasSuffix(r.URL.Path, "model-versions/search"):
			for name := range sources {
				if strings.Contains(q.Get("filter"), "'"+name+"'") {
					answer = object{"model_versions": []object{version(name)}}
				}
			}
		case strings.HasSuffix(r.URL.Path, "get-download-uri"):
			answer = object{"artifact_uri": sources[name]}
		default:
			w.WriteHeader(http.StatusNotFound)
			answer = object{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": evil}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(foreign.Close)
	var out, errs bytes.Buffer
	dispatch(t.Context(), []string{"import", "--from", foreign.URL, "--data", t.TempDir(), "--models-only", "--source", "s3://ours"}, streams{&out, &errs})
	require.Zero(t, sent.Load(), "requests to hosts that the server has named")
	require.Equal(t, len(sources), strings.Count(out.String(), "left: "), "%s", &out)
	require.NotContains(t, out.String(), "\nmodels 99")
	for _, text := range []string{out.String(), errs.String()} {
		for _, command := range []string{"\x1b]", "\x1b[2J", "\x1b[31m", "\x07", "\u202e"} {
			require.NotContains(t, text, command)
		}
	}
	require.NotContains(t, out.String(), "\r")
}
