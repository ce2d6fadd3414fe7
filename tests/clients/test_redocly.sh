#!/usr/bin/env bash
# What redocly's recommended rules say of the contract, as it is served.
# shellcheck source=tests/clients/common.sh disable=SC2317 # functions are called by name
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need curl node npm
begin redocly package.json
fetch npm install --prefix "$work" --no-audit --no-fund
serve
# Warnings are findings too.
lint() {
	"$work/node_modules/.bin/redocly" lint --config "$1" --format json "$work/openapi.json" >"$work/findings.json" 2>"$work/lint.log"
	cat "$work/lint.log" "$work/findings.json"
	node -e 'const { totals } = JSON.parse(require("fs").readFileSync(process.argv[1]));
		process.exit(totals.errors + totals.warnings + totals.ignored)' "$work/findings.json"
}
must "its rules find nothing" lint api/redocly.yaml
echo "1..$count"
