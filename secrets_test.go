package modelregistry_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
)

func TestSecretsAreMaskedAndNothingElse(t *testing.T) {
	for args, want := range map[string]string{
		"train --epochs 3 -lr=1e-3":                      "train --epochs 3 -lr=1e-3",
		"train --db-password x -v":                       "train --db-password *** -v",
		"train -password=x=y":                            "train -password=***",
		"train --no-auth -v":                             "train --no-auth -v",
		"train --apiKey x --secretToken=y":               "train --apiKey *** --secretToken=***",
		"AWS_SECRET_ACCESS_KEY=abc ./train":              "AWS_SECRET_ACCESS_KEY=*** ./train",
		"--tokenizer bert --max-tokens 128":              "--tokenizer bert --max-tokens 128",
		"--key-file /run/k --monkey=george":              "--key-file /run/k --monkey=george",
		"https://u:p@h/x?a=1&token=t&sig=s#f":            "https://***@h/x?a=1&token=***&sig=***",
		"--url=postgres://u@db/x?password=p":             "--url=postgres://***@db/x?password=***",
		"host=db;password=p;user=u":                      "host=db;password=***;user=u",
		"--data s3://bucket/iris@v1.csv":                 "--data s3://bucket/iris@v1.csv",
		"ghp_0123456789012345678901234567890":            "***",
		"4d1c5e8f3a7b2c9d4d1c5e8f3a7b2c9d4d1c5e8f":       "4d1c5e8f3a7b2c9d4d1c5e8f3a7b2c9d4d1c5e8f",
		"--data /home/Ada/Projects/Iris2024/Data1/train": "--data /home/Ada/Projects/Iris2024/Data1/train",
		"aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY":               "***",
		"--password":                                     "--password",
	} {
		got := modelregistry.MaskSecrets(strings.Fields(args))
		require.Equal(t, want, strings.Join(got, " "))
		require.Equal(t, got, modelregistry.MaskSecrets(got), "again")
	}
	for arg, want := range map[string]string{
		"Authorization: Basic dTpw=":          "Authorization: ***",
		"--header=X-Api-Key: abc":             "--header=X-Api-Key: ***",
		"Content-Type: text/csv; charset=x":   "Content-Type: text/csv; charset=x",
		"note: 2 epochs, then a token budget": "note: 2 epochs, then a token budget",
	} {
		got := modelregistry.MaskSecrets([]string{"-H", arg})
		require.Equal(t, []string{"-H", want}, got)
		require.Equal(t, got, modelregistry.MaskSecrets(got), "again")
	}
}
