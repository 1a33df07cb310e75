package modelregistry_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/internal/stores"
)

// fine are the calls that mean something although every argument is empty, or makes no sense to a person.
var fine = map[string]string{
	"As": "another actor", "At": "a time", "Cursor": "now", "Sweep": "the defaults; a negative age is none",
	"SearchModels nothing": "all", "Models nothing": "all", "SearchVersions nothing": "all", "Versions nothing": "all", "Events nothing": "all",
	"Follow nothing": "from the beginning", "Requests nothing": "all", "Link nothing": "no edges", "Runs nothing": "all",
	"StartRun nothing": "a run of the default experiment", "SearchRuns nothing": "all", "SearchExperiments nothing": "all",
	"CreateLoggedModel nothing": "one of the default experiment", "SearchLoggedModels nothing": "all", "Webhooks nothing": "all",
	"ListArtifacts nothing": "the root", "Artifacts nothing": "the root", "VerifyAll nothing": "all",
	"Artifacts only space": "a directory that is not there", "Artifacts a newline": "a directory that is not there",
	"DeleteArtifacts only space": "that nothing is there is no error", "DeleteArtifacts a newline": "that nothing is there is no error",
	"Outcomes dots": "a test that nothing was recorded for", "Checkpoint nothing": "all histories", "PurgeRuns nothing": "all that were deleted",
}

// nonsense makes a value of a type: zero, or full of what no caller means.
type nonsense struct {
	text   string
	number int64
	empty  bool
}

func (n nonsense) value(t reflect.Type, depth int) reflect.Value {
	v := reflect.New(t).Elem()
	if t == reflect.TypeFor[time.Time]() {
		if !n.empty {
			v.Set(reflect.ValueOf(time.Date(-5000, 1, 1, 0, 0, 0, 0, time.UTC)))
		}
		return v
	}
	if n.empty || depth > 4 {
		return v
	}
	switch t.Kind() {
	case reflect.String:
		v.SetString(n.text)
	case reflect.Int, reflect.Int64, reflect.Int32:
		v.SetInt(max(n.number, math.MinInt32))
	case reflect.Float64:
		v.SetFloat(math.NaN())
	case reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		v.Elem().Set(n.value(t.Elem(), depth+1))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(t, 1, 1))
		v.Index(0).Set(n.value(t.Elem(), depth+1))
	case reflect.Map:
		v.Set(reflect.MakeMap(t))
		v.SetMapIndex(n.value(t.Key(), depth+1), n.value(t.Elem(), depth+1))
	case reflect.Struct:
		for i := range t.NumField() {
			if f := v.Field(i); f.CanSet() {
				f.Set(n.value(t.Field(i).Type, depth+1))
			}
		}
	}
	return v
}

// Every method of a Registry, called with nothing, and with nonsense of several sorts, answers with an error that says
// what is wrong: it never panics, never meets a fault, and changes nothing.
func TestNonsenseIsRefusedByEveryMethod(t *testing.T) {
	sorts := map[string]nonsense{
		"nothing":    {empty: true},
		"NUL":        {text: "a\x00b", number: -1},
		"no UTF-8":   {text: "\xff\xfe", number: math.MinInt64},
		"a newline":  {text: "a\nb", number: math.MinInt64},
		"dots":       {text: "../..", number: -7},
		"very long":  {text: strings.Repeat("𝒳", 100_000), number: -1},
		"only space": {text: " ", number: -1},
	}
	for _, kind := range []string{stores.Memory, stores.SQLite} {
		t.Run(kind, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			b := stores.Fresh(t, kind)
			reg, err := modelregistry.New(ctx, b, memBlobs(t), nil)
			require.NoError(t, err)
			_, err = reg.Register(ctx, "m", modelregistry.VersionSpec{Files: fstest.MapFS{"f": {Data: []byte("x")}}, Aliases: []string{"champion"}})
			require.NoError(t, err)
			r := reflect.ValueOf(&reg).Elem()
			for i := range reflect.TypeFor[modelregistry.Registry]().NumMethod() {
				method := reflect.TypeFor[modelregistry.Registry]().Method(i)
				for sort, n := range sorts {
					what := method.Name + " " + sort
					if method.Name == "private" {
						continue
					}
					before := dump(t, b)
					err := nonsensical(ctx, r.Method(i), method.Name, n)
					meant := fine[method.Name] != "" || fine[what] != ""
					switch {
					case method.Name == "VerifyAll" && errors.Is(err, modelregistry.ErrCorrupt): // by a checkpoint of what never was
					case err != nil && !isMistake(err):
						t.Errorf("%s: %.400v", what, err)
					case err == nil && !meant:
						t.Errorf("%s: no error", what)
					}
					if after := dump(t, b); after != before && !meant {
						t.Errorf("%s: it changed something:\n%.600s\n%.600s", what, before, after)
					}
				}
			}
		})
	}
}

func isMistake(err error) bool {
	for _, kind := range []error{modelregistry.ErrInvalid, modelregistry.ErrNotFound, modelregistry.ErrConflict, errors.ErrUnsupported} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// nonsensical calls a method and returns its error; a panic is one too.
func nonsensical(ctx context.Context, method reflect.Value, name string, n nonsense) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it panics: %v", p)
		}
	}()
	var args []reflect.Value
	for i := range method.Type().NumIn() {
		switch in := method.Type().In(i); {
		case in == reflect.TypeFor[context.Context]():
			if name == "Follow" { // which waits for more
				short, cancel := context.WithTimeout(ctx, time.Millisecond)
				defer cancel()
				ctx = short
			}
			args = append(args, reflect.ValueOf(&ctx).Elem())
		case method.Type().IsVariadic() && i == method.Type().NumIn()-1:
			if !n.empty {
				args = append(args, n.value(in.Elem(), 0))
			}
		default:
			args = append(args, n.value(in, 0))
		}
	}
	for _, out := range method.Call(args) {
		switch v := out.Interface().(type) {
		case error:
			return v
		case fs.FS:
			_, err := v.Open(".")
			return err
		}
		if out.Kind() == reflect.Func && !out.IsNil() { // an iterator
			for _, second := range out.Seq2() {
				if e, ok := second.Interface().(error); ok {
					return e
				}
			}
		}
	}
	return nil
}

// dump is all that a backend's tables of models, versions, events and the like hold.
func dump(t *testing.T, b backend.Backend) string {
	var text strings.Builder
	for _, table := range []string{"models", "versions", "events", "manifests", "edges", "nodes", "facts", "approvals", "experiments", "runs",
		"run_entries", "points", "logged_models", "model_points", "artifacts", "webhooks", "outcomes", "names"} {
		rows, err := b.Find(t.Context(), backend.Query{Table: table})
		if err != nil {
			continue // it has another name by now
		}
		for _, row := range rows {
			fmt.Fprintf(&text, "%s %v %s\n", table, row.Key, row.Doc)
		}
	}
	return text.String()
}
