package modelregistry

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var hex64 = strings.Repeat("0123456789abcdef", 4)

func TestParseURI(t *testing.T) {
	pin := "@sha256:" + hex64
	digest := "sha256:" + hex64
	for in, want := range map[string]URI{
		"models:/m/3":            {Model: "m", Number: 3},
		"models:/m/007":          {Model: "m", Number: 7},
		"models:/m/2147483647":   {Model: "m", Number: 2147483647},
		"Models:/m/3":            {Model: "m", Number: 3},
		"models:///m/3":          {Model: "m", Number: 3},
		"models:/m/Production":   {Model: "m", Stage: Production},
		"models:/m/pRODUCTION":   {Model: "m", Stage: Production},
		"models:/m/none":         {Model: "m", Stage: None},
		"models:/m/staging":      {Model: "m", Stage: Staging},
		"models:/m/archived":     {Model: "m", Stage: Archived},
		"models:/m/Latest":       {Model: "m", Latest: true},
		"models:/m@latest":       {Model: "m", Latest: true},
		"models:/m@champion":     {Model: "m", Alias: "champion"},
		"models:/m@a@b":          {Model: "m@a", Alias: "b"},
		"models:/m@a/1":          {Model: "m@a", Number: 1},
		"models:/m@a/staging/x":  {Model: "m@a", Stage: Staging, Path: "x"},
		"models:/m/v1.2.3":       {Model: "m", Semver: Semver{Major: 1, Minor: 2, Patch: 3}},
		"models:/m/1.2.3-rc.1+b": {Model: "m", Semver: Semver{Major: 1, Minor: 2, Patch: 3, Prerelease: "rc.1", Build: "b"}},
		"models:/m/1.2.3%2Bb":    {Model: "m", Semver: Semver{Major: 1, Minor: 2, Patch: 3, Build: "b"}},
		"models:/m" + pin:        {Model: "m", Digest: digest},
		"models:/m/3" + pin:      {Model: "m", Number: 3, Digest: digest},
		"models:/m/3@sha256:" + strings.ToUpper(hex64): {Model: "m", Number: 3, Digest: digest},
		"models:/m@champion" + pin:                     {Model: "m", Alias: "champion", Digest: digest},
		"models:/m@a@b" + pin:                          {Model: "m@a", Alias: "b", Digest: digest},
		"models:/m@a/1" + pin:                          {Model: "m@a", Number: 1, Digest: digest},
		"models:/m" + pin + "/1/x":                     {Model: "m", Digest: digest, Path: "1/x"},
		"models:/m@a" + pin + "/1/x":                   {Model: "m", Alias: "a", Digest: digest, Path: "1/x"},
		"models:/m/3" + pin + "/x":                     {Model: "m", Number: 3, Digest: digest, Path: "x"},
		"models:/m/3/a/b@c.bin":                        {Model: "m", Number: 3, Path: "a/b@c.bin"},
		"models:/m/latest/MLmodel":                     {Model: "m", Latest: true, Path: "MLmodel"},
		"models:/m@champion/weights/a.bin":             {Model: "m", Alias: "champion", Path: "weights/a.bin"},
		"models:/m@champion/x":                         {Model: "m", Alias: "champion", Path: "x"},
		"models:/ sp ace?q#f%2f/1":                     {Model: " sp ace?q#f%2f", Number: 1},
		"models:/7/7":                                  {Model: "7", Number: 7},
		"models:/é漢@ü":                                 {Model: "é漢", Alias: "ü"},
		"runs:/abc":                                    {RunID: "abc"},
		"runs:/abc/":                                   {RunID: "abc"},
		"RUNS:/abc/a/b":                                {RunID: "abc", Path: "a/b"},
		"runs:///abc/a":                                {RunID: "abc", Path: "a"},
	} {
		got, err := ParseURI(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
		again, err := ParseURI(got.String())
		require.NoError(t, err, got.String())
		require.Equal(t, got, again, "%s printed as %s", in, got)
	}
}

func TestURIPrintsCanonically(t *testing.T) {
	for in, want := range map[string]string{
		"MODELS:///m/pRODUCTION": "models:/m/Production",
		"models:/m/007":          "models:/m/7",
		"models:/m@LATEST":       "models:/m/latest",
		"models:/m/1.2.3":        "models:/m/v1.2.3",
		"models:/m/>=1.0  <2":    "models:/m/>=1.0%20<2",
		"models:/m/%5E1.2":       "models:/m/^1.2",
		"models:/m@A/X/y":        "models:/m@A/X/y",
		"runs:///r/":             "runs:/r",
	} {
		u, err := ParseURI(in)
		require.NoError(t, err, in)
		require.Equal(t, want, u.String())
	}
	r, err := ParseRange("1.2")
	require.NoError(t, err)
	u, err := ParseURI(URI{Model: "m", Range: r}.String())
	require.NoError(t, err)
	require.True(t, u.Range.Contains(Semver{Major: 1, Minor: 2, Patch: 9}))
}

func TestParseURIRanges(t *testing.T) {
	for _, text := range []string{"^1.2", "~1.2.3", ">=1.0 <2", ">=1.0,<2", "1.x", "1.2 - 1.4", "^1.2 || ^3", "*", "=1.2.3", "!=1.2.3"} {
		for _, in := range []string{"models:/m/" + text, "models:/m/" + strings.ReplaceAll(text, " ", "%20"), "models:/m/" + text + "@sha256:" + hex64 + "/p"} {
			u, err := ParseURI(in)
			require.NoError(t, err, in)
			require.Equal(t, text, u.Range.String())
			again, err := ParseURI(u.String())
			require.NoError(t, err)
			require.Equal(t, u.String(), again.String())
		}
	}
}

func TestParseURIRefuses(t *testing.T) {
	for in, says := range map[string]string{
		"":                                      "the forms are models:/name/3",
		"MyModel/Production":                    "write models:/MyModel/Production",
		"/MyModel/Production":                   "write models:/MyModel/Production",
		"MyModel@champion":                      "write models:/MyModel@champion",
		"model:/MyModel/3":                      "write models:/MyModel/3",
		"MyModel":                               "the forms are",
		"s3://bucket/3":                         "the forms are",
		"models:m/1":                            "a slash is missing; write models:/m/1",
		"models://m/1":                          "write models:/m/1",
		"models:/":                              "name of the model is missing",
		"models://":                             "two slashes",
		"models:////m/1":                        "name of the model is missing",
		"models:/ /1":                           "name of the model is missing",
		"models:/@a":                            "name of the model is missing",
		"models:/a:b/1":                         "cannot hold a colon",
		"models:/../1":                          "cannot be a path",
		"models:/m":                             "write for example models:/m/latest",
		"models:/m-0123456789abcdef":            "does not say which version",
		"models:/m/":                            "the version behind the name is missing",
		"models:/m//x":                          "the version behind the name is missing",
		"models:/m@":                            "behind @ stands an alias",
		"models:/m@sha512:00":                   "behind @ stands an alias or sha256:",
		"models:/m@sha256:00":                   "64 hexadecimal digits",
		"models:/m/3@sha256:" + hex64[1:] + "g": "64 hexadecimal digits",
		"models:/m/3@champion":                  "an alias is written models:/name@alias",
		"models:/m@a/3@sha256:00":               "64 hexadecimal digits",
		"models:/X/Prod":                        "None, Staging, Production, Archived",
		"models:/m/0":                           "a version number is from 1 to 2147483647",
		"models:/m/2147483648":                  "a version number is from 1 to 2147483647",
		"models:/m/99999999999999999999":        "a version number is from 1 to 2147483647",
		"models:/m/-1":                          `"-1" is not a version number (1 to 2147483647)`,
		"models:/m/1e3":                         `"1e3" is not a version number`,
		"models:/m/+1":                          "is not a version number",
		"models:/m/ 1":                          "is not a version number",
		"models:/m/١":                           "is not a version number",
		"models:/m/ Production":                 "is not a version number",
		"models:/m/1.2":                         "a semantic version, which has three numbers (1.2.0)",
		"models:/m/v1":                          "neither a number nor a semantic version",
		"models:/m/^":                           "is not a version number",
		"models:/m/3/":                          "is not relative",
		"models:/m/3//etc/passwd":               "is not relative",
		"models:/m/3/../x":                      "is not relative",
		"models:/m/3/a/./b":                     "is not relative",
		"models:/m/3/a/..":                      "is not relative",
		`models:/m/3/a\..\b`:                    "is not relative",
		"models:/m/3/C:/x":                      "is not relative",
		"models:/m@a/../x":                      "is not relative",
		"models:/m@a/":                          "is not relative",
		"models:/m/3\x00":                       "NUL",
		"models:/m\xff/3":                       "UTF-8",
		"runs:/":                                "the run's id is missing",
		"runs://h/id/p":                         "write runs:/h/id/p",
		"runs:id":                               "a slash is missing",
		"runs:/id//m":                           "is not relative",
		"runs:/id/../m":                         "is not relative",
		"models:/" + strings.Repeat("m", 1<<20): "longer than 4096 bytes",
	} {
		_, err := ParseURI(in)
		require.ErrorIs(t, err, ErrInvalid, in)
		require.ErrorContains(t, err, says, in)
		require.Less(t, len(err.Error()), 1500)
	}
}

func TestParseURIAllocatesNothing(t *testing.T) {
	for _, s := range []string{
		"models:/fraud/3", "models:/fraud/production", "models:/fraud/latest", "models:/fraud@champion", "models:/fraud/v1.2.3-rc.1",
		"models:/fraud@champion@sha256:" + hex64, "runs:/abc/model",
	} {
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if _, err := ParseURI(s); err != nil {
				panic(err)
			}
		}), s)
	}
}

func BenchmarkParseURI(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, _ = ParseURI("models:/IrisClassifier/Production")
	}
}

func FuzzParseURI(f *testing.F) {
	for _, s := range []string{
		"models:/m/3", "models:/m/Production", "models:/m@a@b", "models:/m@a/1", "models:/m@a/b/c", "models:/m/v1.2.3-rc.1+b/x",
		"models:/m/>=1.0%20<2", "models:/m/^1.2 || ^3", "models:/m@sha256:" + hex64 + "/1/x", "models:/m/3@sha256:" + hex64, "runs:/r/a/b",
		"MyModel/Production", "models://m/1", "models:/m/3/../x", "models:/m/%33%2e", "models:/m@a/x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseURI(s)
		if err != nil {
			require.ErrorIs(t, err, ErrInvalid)
			require.Less(t, len(err.Error()), 5000)
			return
		}
		require.NotContains(t, "/"+u.Path+"/", "/../")
		require.False(t, strings.HasPrefix(u.Path, "/"))
		again, err := ParseURI(u.String())
		require.NoError(t, err, "%q printed as %q", s, u.String())
		require.Equal(t, u.String(), again.String())
		u.Range, again.Range = Range{}, Range{}
		require.Equal(t, u, again)
	})
}
