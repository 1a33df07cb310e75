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

// secret is what no form of a command line shows.
const secret = "hunter2pw"

var usualForms = [][]string{
	{"--password", secret}, {"--password=" + secret}, {"-p", secret}, {"--pass", secret}, {"--pass=" + secret}, {"--pw=" + secret},
	{"--pat=" + secret}, {"--sas=" + secret}, {"--jwt=" + secret}, {"--cookie=" + secret}, {"--cookie", "a=b; sid=" + secret},
	{"--session=" + secret}, {"--private-key=" + secret}, {"--privatekey=" + secret}, {"--accesskey=" + secret}, {"--secretkey", secret},
	{"--dbpassword=" + secret}, {"--mypassword", secret}, {"PGPASSWORD=" + secret}, {"MYSQL_PWD=" + secret}, {"-u", "user:" + secret},
	{"-U", "user:" + secret}, {"--user=user:" + secret}, {"--proxy-user", "user:" + secret}, {"-H", "Authorization: Bearer " + secret},
	{"-H", "X-Api-Key: " + secret}, {"-H", "Cookie: session=" + secret}, {"--header=Authorization: Basic " + secret},
	{`{"password":"` + secret + `"}`}, {`--config={"token": "` + secret + `"}`}, {`{"a": {"api_key": "x` + secret + `\" y"}}`}, {"{'secret': '" + secret + "'}"},
	{"host=x password=" + secret}, {"host=x password = " + secret}, {"host=x password='a " + secret + "'"}, {"Server=x;Pwd=" + secret + ";"},
	{"AccountKey=" + secret + ";EndpointSuffix=x"}, {"postgres://u:" + secret + "@h/d"}, {"postgres://u:p@" + secret + "@h/d"},
	{"postgres://u:a/" + secret + "@h/d"}, {"postgres://u:a?" + secret + "#x@h/d"}, {"--dsn=postgres://u:p/" + secret + "@h"},
	{"https://h/x?access_token=" + secret}, {"https://h/x#access_token=" + secret}, {"https://h/x;token=" + secret},
	{"https://hooks.example/services/T0/B0/" + secret}, {"user:" + secret + "@host:path"}, {"--password", "-" + secret}, {"--password", "--", secret},
	{"export TOKEN=" + secret}, {`sh -c "curl -u a:` + secret + `"`}, {"sh", "-c", "curl -H 'Authorization: Bearer " + secret + "' https://h"},
	{"sh", "-c", "mysql --password " + secret + " db"}, {"--auth", secret}, {"--API_KEY", secret}, {"--apikey=" + secret}, {"--api.key=" + secret},
}

func TestUsualFormsOfSecretsAreMasked(t *testing.T) {
	for _, form := range usualForms {
		got := modelregistry.MaskSecrets(append([]string{"prog"}, form...))
		require.NotContains(t, strings.Join(got, " "), secret, "%q", form)
		require.Contains(t, strings.Join(got, " "), "***", "%q", form)
		require.Equal(t, got, modelregistry.MaskSecrets(got), "again")
	}
	for _, args := range [][]string{
		{"-p", "8080"}, {"-p", "8080:80"}, {"-p", "src/model"}, {"-u", "1000:1000"}, {"--user", "ann"}, {"python:3.11@sha256:0123"}, {"mailto:ann@example.com"},
		{"http://localhost:5000/models/fraud@champion"}, {"models:/fraud@champion"}, {"s3://b/k@v?versionId=1"}, {"--passes", "3"}, {"--compass=n"},
		{"git@github.com:team/code.git"}, {"--sessions", "4"}, {"--patience=3"}, {`{"epochs": 3, "name": "x"}`}, {"sh", "-c", "python train.py --lr 0.1 && ls -l"},
		{"lr=0.1 epochs=3"}, {"--key-file", "/run/k"}, {"--token-file=/run/t"}, {"--monkey", "see"},
	} {
		require.Equal(t, args, modelregistry.MaskSecrets(args))
	}
}
