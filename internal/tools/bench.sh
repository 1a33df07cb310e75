#!/usr/bin/env bash
# Measures the figures of docs/benchmarks.md. BENCH_ONLY=text runs the figures with that text in their name;
# BENCH_VERSIONS=n fills the stores with so many versions instead of a million. Only a whole run writes the page.
# BENCH_SMOKE=1 runs every figure as shortly as it can be, without MLflow: it shows that they all work, in a minute.
set -euo pipefail
cd "$(dirname "$0")/../bench"

# MLflow, a peer.
if [ -n "${BENCH_SMOKE:-}" ]; then
	unset BENCH_MLFLOW_PYTHON
elif [ -z "${BENCH_MLFLOW_PYTHON:-}" ]; then
	if BENCH_MLFLOW_PYTHON=$(../tools/venv.sh 3.17.2); then
		export BENCH_MLFLOW_PYTHON
	else
		echo "bench: MLflow cannot be installed; its figures are left out" >&2
		unset BENCH_MLFLOW_PYTHON
	fi
fi

export MODELREGISTRY_TEST_POSTGRES_FSYNC=on # commits are measured as they are where they count
exec go test -run '^$' -bench '^BenchmarkFigures$' -benchtime 1x -timeout 2h .
