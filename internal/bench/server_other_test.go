//go:build !linux

package bench_test

import "testing"

var serverFigures = []figure{{"server", nil, func(*testing.B, *store) []result {
	return []result{{figure: "requests, artifacts, start and memory of the server", peer: "left out: what processes use is read from /proc"}}
}}}
