// Package bench measures the figures of docs/benchmarks.md and writes that page: each as a ratio to a limit or a peer that
// is measured in the same run, in turn with it. `make bench` runs it.
//
// It reports and never fails for a figure that misses its goal: a busy machine is no fault of the code.
package bench
