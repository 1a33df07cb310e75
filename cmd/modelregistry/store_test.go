package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/postgres"
	"github.com/modelregistry-go/modelregistry/blob"
	"github.com/modelregistry-go/modelregistry/mlflow"
)

// Whatever a password does to a URL or to words of a DSN, no error and no log repeats a part of it.
func TestNoShapeOfADSNShowsItsPassword(t *testing.T) {
	var shapes []string
	for _, between := range []string{"/", "%", "%zz", " ", "@", ":", "?", "#", "&", "=", "[", "]", "\\", "'", `"`, ";", "%2F", "\n", "//", "é", "/x@", "?x@", "&y="} {
		password := "hunter" + between + "trombone"
		for _, scheme := range []string{"postgres", "postgresql", "s3", "mysql", "http"} {
			shapes = append(shapes, scheme+"://ann:"+password+"@127.0.0.1:1/registry?sslmode=disable")
		}
		shapes = append(shapes,
			"postgres://ann:12"+between+"trombone@127.0.0.1:1/registry",
			"postgres://127.0.0.1:1/registry?user=ann&password="+password,
			"host=127.0.0.1 port=1 user=ann password="+password,
			"host=127.0.0.1 port=1 user=ann password='"+password+"' sslmode=never",
			"ann:"+password+"@127.0.0.1:1/registry",
			"sqlite://ann:"+password+"@host/registry.db",
			"mem://ann:"+password+"@host",
			"file://ann:"+password+"@host/dir",
		)
	}
	require.Greater(t, len(shapes), 50)
	clean := func(t *testing.T, shape string, told string) {
		for _, part := range []string{"hunter", "trombone"} {
			require.NotContains(t, told, part, shape)
		}
	}
	for _, shape := range shapes {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		var failed []error
		for _, open := range []func() error{
			func() error { _, err := backend.Open(ctx, shape); return err },
			func() error { _, err := postgres.Open(ctx, shape, nil); return err },
			func() error { _, err := blob.Open(ctx, shape); return err },
			func() error { _, _, err := blob.OpenFS(ctx, shape); return err },
			func() error { _, err := mlflow.NewClient(shape, nil); return err },
		} {
			if err := open(); err != nil {
				failed = append(failed, err)
			}
		}
		clean(t, shape, errors.Join(failed...).Error())
		cancel()
		if strings.HasPrefix(shape, "http") {
			continue
		}
		var out bytes.Buffer
		ctx, cancel = context.WithTimeout(t.Context(), 3*time.Second)
		status := dispatch(ctx, append([]string{"sweep", "--data", t.TempDir(), "--backend"}, strings.Fields(shape)...), streams{&out, &out})
		cancel()
		require.NotZero(t, status, shape)
		clean(t, shape, out.String())
	}
}

// What is not there, is not made by a command that only looks after what there is.
func TestSweepMakesNoRegistry(t *testing.T) {
	dir := t.TempDir()
	bucket := filepath.Join(dir, "bucket")
	require.NoError(t, os.Mkdir(bucket, 0o700))
	for _, args := range [][]string{
		{"--data", filepath.Join(dir, "none")},
		{"--backend", "sqlite:" + filepath.ToSlash(dir) + "/typo.db", "--artifacts", "file:" + filepath.ToSlash(bucket)},
	} {
		var out bytes.Buffer
		require.Equal(t, 1, dispatch(t.Context(), append([]string{"sweep"}, args...), streams{&out, &out}))
		require.Contains(t, out.String(), "there is no registry", fmt.Sprint(args))
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

func TestServeNoticesThatItsDatabaseIsGone(t *testing.T) {
	dir := t.TempDir()
	r := start(t, "--data", dir)
	status, _ := r.do(t, http.MethodGet, "/health", "")
	require.Equal(t, http.StatusOK, status)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		require.NoError(t, os.Remove(filepath.Join(dir, "registry.db"+suffix)))
	}
	status, answer := r.do(t, http.MethodPost, createModel, `{"name": "iris"}`)
	require.Equal(t, http.StatusInternalServerError, status)
	require.NotContains(t, answer, dir)
	require.Eventually(t, func() bool {
		status, _ := r.do(t, http.MethodGet, "/health", "")
		return status >= http.StatusInternalServerError
	}, 10*time.Second, 10*time.Millisecond)
	require.Contains(t, r.log.String(), "removed while it was open")
}
