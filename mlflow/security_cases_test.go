package mlflow_test

import "net/http"

// The rows of the table of known attacks on servers of this API. Numbers are those of CVEs.

// outward are paths that lead out of where they are, as they stand in a URL: each is one that some server once followed.
var outward = []string{
	// 2023-30172, 2023-2780, 2023-6018, 2026-2033: plain
	"..", "../x", "a/../../x", "a/..", "a/../x", "./../x", "a//../x",
	// 2023-6831: quoted
	"%2e%2e/x", "%2E%2E%2Fx", ".%2e/x", "..%2fx", "a/%2e%2e/%2e%2e/x", "a%2f%2f..%2fb",
	// 2024-1560: quoted twice, three times, and ever again
	"%252e%252e%252fx", "%252e%252e/x", "%25252e%25252e%25252fx", "%2525252525252525252525252e",
	// 2023-1176: absolute, also for Windows
	"/etc/passwd", "%2fetc%2fpasswd", "%252fetc%252fpasswd", "C:/x", "c:%5cx", "C%3A%2Fx", "%5c%5chost%5cshare",
	// 2023-2780: with backslashes
	"..%5cx", "a%5c..%5cx", "%255c..%255cx",
	// 2024-3573: as a file's URL
	"file:///etc/passwd", "FILE:/etc/passwd", "file:x", "%66ile:/x",
	// 2024-1593, 2023-6909, 2024-1483: behind parameters, queries and fragments
	"a;/../../x", "a%3b/../x", "..;/x", "..%3bx/y", "a%3f/../x", "..%3fx", "a%23/../x", "..%23x",
	// what ends a name in C
	"a%00b", "%2500",
}

// coded are such paths in the form in which clients are told names that they would misread: only paths of artifacts have it.
var coded = []string{"％2E％2E/x", "％2e％2e％2fx", "a％2Fb", "a/％2E", "％00", "％FF", "a/.％2e"}

// onlyInQueries are paths that a request line cannot have in its path.
var onlyInQueries = []string{"registry/%2e%2e/x", "registry//../x", "a%2f..%2fb"}

// notSources are what no version may be made from: files of the server, what its clients would have to connect to, and
// what is below another's root.
var notSources = []string{
	// 2023-1177, 2024-3573
	"/etc/passwd", "relative/path", "file:///etc/passwd", "FILE:///etc/passwd", "file:relative", "File://localhost/etc", "C:/x", `C:\x`, ".",
	// 2023-2356, 2023-2780
	"s3://bucket/a/../../x", "mlflow-artifacts:/a/../../x", `file:///tmp/\..\..\etc`, "gs://bucket/%2e%2e/x", "s3://bucket/%252e%252e/x",
	// 2023-6909, 2024-1483, 2024-1593, 2024-2928, 2024-3848
	"mlflow-artifacts:/a?/../../x", "mlflow-artifacts:/a#/../../x", "mlflow-artifacts:/a;/../../x", "http://host/a?/../../x", "http://host/#/../../../etc",
	// 2024-8859
	"dbfs://..//x", "dbfs:/a/../../x",
	// GHSA-mr9f-g8qf-4w4j, 2023-6974
	"http://169.254.169.254/latest", "https://127.0.0.1/x", "HTTP://localhost/x", "ftp://host/x", "sftp://host/x", "hdfs://host/x", "mlflow-artifacts://host/x",
	// 2026-69148: another's run, model or artifacts
	"mlflow-artifacts:/0/another/artifacts/model", "runs:/another/model", "models:/m-another", "models://host/m/1",
	"mlflow-artifacts:/registry/another/1",
}

// A hostCase is a request's names for the server and for whose page it comes from.
type hostCase struct {
	method, path       string
	host, origin, site string
	status             int
}

const (
	changing = "/api/2.0/mlflow/experiments/create"
	reading  = "/api/2.0/mlflow/registered-models/search"
)

// hostCases: 2025-14279 (rebinding), 2025-1473 (forged requests), 2026-2611 (other origins).
var hostCases = []hostCase{
	{http.MethodGet, reading, "localhost", "", "", 200},
	{http.MethodGet, reading, "LOCALHOST:5000", "", "", 200},
	{http.MethodGet, reading, "127.0.0.1", "", "", 200},
	{http.MethodGet, reading, "127.8.9.1:80", "", "", 200},
	{http.MethodGet, reading, "[::1]:5000", "", "", 200},
	{http.MethodGet, reading, "[::1]", "", "", 200},
	{http.MethodGet, reading, "0.0.0.0:5000", "", "", 200},
	{http.MethodGet, reading, "10.1.2.3", "", "", 200},
	{http.MethodGet, reading, "192.168.1.2:5000", "", "", 200},
	{http.MethodGet, reading, "172.31.255.255", "", "", 200},
	{http.MethodGet, reading, "[fd00::1]", "", "", 200},
	{http.MethodGet, reading, "[::ffff:10.0.0.1]", "", "", 200},
	{http.MethodGet, reading, "evil.example", "", "", 403},
	{http.MethodGet, reading, "evil.example:5000", "", "", 403},
	{http.MethodGet, reading, "localhost.evil.example", "", "", 403},
	{http.MethodGet, reading, "127.0.0.1.evil.example", "", "", 403},
	{http.MethodGet, reading, "10.evil.example", "", "", 403},
	{http.MethodGet, reading, "172.32.0.1", "", "", 403},
	{http.MethodGet, reading, "8.8.8.8", "", "", 403},
	{http.MethodGet, reading, "[2001:db8::1]", "", "", 403},
	{http.MethodGet, reading, "localhost:5000:80", "", "", 403},
	{http.MethodGet, reading, "localhost:evil.example", "", "", 403},
	{http.MethodGet, reading, "2130706433", "", "", 403},
	{http.MethodGet, reading, "0x7f.1", "", "", 403},
	{http.MethodGet, "/docs", "evil.example", "", "", 403},
	{http.MethodGet, "/health", "evil.example", "", "", 200},
	{http.MethodGet, "/version", "evil.example", "", "", 200},
	{http.MethodGet, "/health/../docs", "evil.example", "", "", 403},

	// A page that gets no answer still gets its time: 283 requests spelled out the name of a model.
	{http.MethodGet, reading, "localhost", "", "none", 200},
	{http.MethodGet, reading, "localhost", "", "same-origin", 200},
	{http.MethodGet, reading, "localhost", "http://localhost", "same-origin", 200},
	{http.MethodGet, reading, "localhost", "https://tools.example.com", "cross-site", 200},
	{http.MethodGet, reading, "localhost", "https://tools.example.com", "same-site", 200},
	{http.MethodGet, reading, "localhost", "http://evil.example", "cross-site", 403},
	{http.MethodGet, reading, "localhost", "", "cross-site", 403},
	{http.MethodHead, artifactsURL + "/0/x", "localhost", "", "cross-site", 403},
	{http.MethodGet, artifactsURL + "/0/x", "localhost", "", "cross-site", 403},
	{http.MethodGet, "/docs", "localhost", "", "cross-site", 403},
	{http.MethodGet, reading, "localhost:5000", "", "same-site", 403},
	{http.MethodGet, reading, "localhost:5000", "http://localhost:3000", "same-site", 403},
	{http.MethodGet, reading, "localhost:5000", "http://localhost:3000", "", 403},
	{http.MethodGet, reading, "localhost", "null", "cross-site", 403},
	{http.MethodOptions, changing, "localhost", "http://evil.example", "cross-site", 403},
	{http.MethodPost, changing, "localhost", "", "", 200},
	{http.MethodPost, changing, "localhost:5000", "http://localhost:5000", "", 200},
	{http.MethodPost, changing, "localhost", "http://localhost", "same-origin", 200},
	{http.MethodPost, changing, "localhost", "", "none", 200},
	{http.MethodPost, changing, "localhost", "https://tools.example.com", "cross-site", 200},
	{http.MethodPost, changing, "localhost", "https://tools.example.com", "", 200},
	{http.MethodPost, changing, "localhost", "http://evil.example", "", 403},
	{http.MethodPost, changing, "localhost", "http://evil.example", "cross-site", 403},
	{http.MethodPost, changing, "localhost", "", "cross-site", 403},
	{http.MethodPost, changing, "localhost:5000", "http://localhost:3000", "same-site", 403},
	{http.MethodPost, changing, "localhost:5000", "http://localhost:3000", "", 403},
	{http.MethodPost, changing, "localhost", "null", "", 403},
	{http.MethodPost, changing, "localhost", "http://tools.example.com", "", 403},
	{http.MethodPost, changing, "localhost", "https://tools.example.com.evil.example", "", 403},
	{http.MethodPut, artifactsURL + "/0/x", "localhost", "http://evil.example", "", 403},
	{http.MethodDelete, artifactsURL + "/0", "localhost", "http://evil.example", "", 403},
	{http.MethodPatch, "/api/2.0/mlflow/registered-models/update", "localhost", "http://evil.example", "", 403},
	{http.MethodPost, "/ajax-api/2.0/mlflow/runs/create", "localhost", "http://evil.example", "", 403},
}

// A limitCase is a request that asks for, or brings, more than there may be: 2024-6838, 2025-0453.
type limitCase struct {
	name, method, path string
	body               any // or a query, of a GET
	status             int
}

func limitCases(run string) []limitCase {
	many := func(n int, item any) []any {
		out := make([]any, n)
		for i := range out {
			out[i] = item
		}
		return out
	}
	return []limitCase{
		{"body", http.MethodPost, "registered-models/create", fields{"name": "x", "description": text(9 << 20)}, 413},
		{"values of a body", http.MethodPost, "runs/search", fields{"experiment_ids": many(50_001, "0")}, 400},
		{"name", http.MethodPost, "registered-models/create", fields{"name": text(257)}, 400},
		{"description", http.MethodPost, "registered-models/create", fields{"name": "x", "description": text(5001)}, 400},
		{"key of a tag", http.MethodPost, "registered-models/set-tag", fields{"name": "m", "key": text(251), "value": "x"}, 400},
		{"value of a tag", http.MethodPost, "registered-models/set-tag", fields{"name": "m", "key": "k", "value": text(100_001)}, 400},
		{"alias", http.MethodPost, "registered-models/alias", fields{"name": "m", "alias": text(256), "version": "1"}, 400},
		{"source", http.MethodPost, "model-versions/create", fields{"name": "m", "source": "s3://b/" + text(500)}, 400},
		{"models' page", http.MethodGet, "registered-models/search", fields{"max_results": "1001"}, 400},
		{"versions' page", http.MethodGet, "model-versions/search", fields{"max_results": "200001"}, 400},
		{"runs' page", http.MethodPost, "runs/search", fields{"experiment_ids": []string{"0"}, "max_results": 50_001}, 400},
		{"filter", http.MethodPost, "runs/search", fields{"experiment_ids": []string{"0"}, "filter": "name = '" + text(1_000_000) + "'"}, 400},
		{"metrics", http.MethodPost, "runs/log-batch", fields{"run_id": run, "metrics": many(1001, fields{"key": "k", "value": 1, "timestamp": 1, "step": 0})}, 400},
		{"params", http.MethodPost, "runs/log-batch", fields{"run_id": run, "params": many(1001, fields{"key": "k", "value": "v"})}, 400},
		{"tags", http.MethodPost, "runs/log-batch", fields{"run_id": run, "tags": many(1001, fields{"key": "k", "value": "v"})}, 400},
		{"path", http.MethodPut, artifactsURL + "/" + text(1025), "x", 400},
		{"NUL", http.MethodPost, "registered-models/create", fields{"name": "a\x00b"}, 400},
		{"NUL in a filter", http.MethodPost, "runs/search", fields{"experiment_ids": []string{"0"}, "filter": "name = '\x00'"}, 400},
		{"a body that is a list", http.MethodPost, "registered-models/create", "[]", 400},
		{"a version that is no number", http.MethodGet, "model-versions/get", fields{"name": "m", "version": "99999999999999999999"}, 400},
	}
}
