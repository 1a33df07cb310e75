#!/usr/bin/env bash
# Makes a virtual environment with one of internal/mlflowtest/python/requirements-VERSION.txt, and with what tools-VERSION.txt
# names if there is one, outside of the repository,
# and prints its interpreter. One that is complete is used as it is; of several callers at once one installs.
set -euo pipefail
version=${1:?usage: venv.sh MLFLOW-VERSION}
python="$(cd "$(dirname "$0")/../mlflowtest/python" && pwd)"
requirements="$python/requirements-$version.txt"
tools="$python/tools-$version.txt"
venv="${XDG_CACHE_HOME:-$HOME/.cache}/modelregistry-tests/mlflow-$version"
mkdir -p "$(dirname "$venv")"
if command -v flock >/dev/null; then
	exec 9>"$venv.lock"
	flock 9
fi
if ! cmp -s "$requirements" "$venv/complete"; then
	echo "installing MLflow $version into $venv" >&2
	rm -rf "$venv"
	python3 -m venv "$venv" >&2
	"$venv/bin/pip" install -q --disable-pip-version-check --only-binary :all: -r "$requirements" >&2
	cp "$requirements" "$venv/complete"
fi
if [ -e "$tools" ] && ! cmp -s "$tools" "$venv/tools"; then
	"$venv/bin/pip" install -q --disable-pip-version-check --only-binary :all: --no-deps -r "$tools" >&2
	cp "$tools" "$venv/tools"
fi
echo "$venv/bin/python"
