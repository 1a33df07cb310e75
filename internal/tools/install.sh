#!/usr/bin/env bash
# Installs what the tests start and this machine lacks: Postgres, Node.js for Azurite, Python for MLflow, and for root, who
# alone can mount file systems to cut their power, mkfs.ext4. What is on PATH or in the distribution's place is used as it is; a DSN or
# bucket URL in the environment makes the server unnecessary.
set -euo pipefail

have_postgres() {
	[ -n "${MODELREGISTRY_TEST_POSTGRES:-}" ] || command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1
}
have_node() {
	[ -n "${MODELREGISTRY_TEST_AZURE:-}" ] || { command -v node >/dev/null && command -v npm >/dev/null; }
}
have_ext4() {
	[ "$(uname -s)" != Linux ] || [ "$(id -u)" != 0 ] || command -v mkfs.ext4 >/dev/null || [ -x /usr/sbin/mkfs.ext4 ] || [ -x /sbin/mkfs.ext4 ]
}

have_python() {
	python3 -c 'import ensurepip, venv' >/dev/null 2>&1
}

missing=()
have_postgres || missing+=(postgres)
have_node || missing+=(node)
have_ext4 || missing+=(ext4)
have_python || missing+=(python)
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)

if command -v apt-get >/dev/null; then
	declare -A packages=([postgres]="postgresql" [node]="nodejs npm" [ext4]="e2fsprogs" [python]="python3 python3-venv")
	install() { "${as_root[@]}" apt-get update -q && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@"; }
elif command -v dnf >/dev/null; then
	declare -A packages=([postgres]="postgresql-server" [node]="nodejs npm" [ext4]="e2fsprogs" [python]="python3")
	install() { "${as_root[@]}" dnf install -qy "$@"; }
elif command -v apk >/dev/null; then
	declare -A packages=([postgres]="postgresql" [node]="nodejs npm" [ext4]="e2fsprogs" [python]="python3")
	install() { "${as_root[@]}" apk add "$@"; }
elif command -v brew >/dev/null; then
	declare -A packages=([postgres]="postgresql" [node]="node" [python]="python3")
	install() { brew install "$@"; }
else
	echo "install these and run again: ${missing[*]}" >&2
	exit 1
fi

names=()
for m in "${missing[@]}"; do
	read -ra some <<<"${packages[$m]}"
	names+=("${some[@]}")
done
echo "installing ${names[*]}"
install "${names[@]}"
