#!/usr/bin/env bash
# Measures the figures of docs/benchmarks.md. BENCH_ONLY=text runs the figures with that text in their name;
# BENCH_VERSIONS=n fills the stores with so many versions instead of a million. Only a whole run writes the page.
set -euo pipefail
cd "$(dirname "$0")/../bench"

# MLflow, a peer, in a virtual environment outside of the repository. The skinny package has the store itself, which
# needs sqlalchemy and alembic besides.
if [ -z "${BENCH_MLFLOW_PYTHON:-}" ] && { [ -z "${BENCH_ONLY:-}" ] || [[ mlflow == *"$BENCH_ONLY"* ]]; }; then
	venv="${XDG_CACHE_HOME:-$HOME/.cache}/modelregistry-bench/mlflow-3.17.2"
	if [ ! -e "$venv/complete" ]; then
		echo "bench: installing MLflow into $venv" >&2
		rm -rf "$venv"
		if python3 -m venv "$venv" && "$venv/bin/pip" install -q --disable-pip-version-check \
			mlflow-skinny==3.17.2 sqlalchemy==2.1.9 alembic==1.20.1; then
			touch "$venv/complete"
		else
			echo "bench: MLflow cannot be installed; its figures are left out" >&2
		fi
	fi
	[ ! -e "$venv/complete" ] || export BENCH_MLFLOW_PYTHON="$venv/bin/python"
fi

export MODELREGISTRY_TEST_POSTGRES_FSYNC=on # commits are measured as they are where they count
exec go test -run '^$' -bench '^BenchmarkFigures$' -benchtime 1x -timeout 2h .
