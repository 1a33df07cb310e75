#!/usr/bin/env bash
# Checks what the packages call against Go's database of vulnerabilities. It fails for one that is called, and says so
# where the database cannot be reached: then nothing was checked, which is no reason to fail.
set -euo pipefail
cd "$(dirname "$0")/../.."

db=${GOVULNDB:-https://vuln.go.dev}
if ! python3 -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1] + "/index/db.json", timeout=20).read()' "$db" 2>/dev/null; then
	echo "vulnerabilities: NOT CHECKED, for $db cannot be reached from here"
	exit 0
fi
go run golang.org/x/vuln/cmd/govulncheck@v1.9.0 -db "$db" ./...
