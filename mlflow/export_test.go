package mlflow

import "strings"

// An Endpoint is one pattern that the handler answers.
type Endpoint struct {
	Method, Path string
	Public       bool
}

// Endpoints are all of them, below both roots.
func Endpoints() []Endpoint {
	var out []Endpoint
	for _, rt := range routes() {
		for _, pattern := range rt.patterns() {
			method, path, _ := strings.Cut(pattern, " ")
			out = append(out, Endpoint{method, path, rt.public})
		}
	}
	return out
}

// The form of names that MLflow's clients are told.
var (
	WireName     = wireName
	StoredName   = storedName
	ComesThrough = comesThrough
)
