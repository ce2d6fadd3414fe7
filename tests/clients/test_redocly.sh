#!/usr/bin/env bash
# What redocly's recommended rules say of the contract, as it is served.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need curl npm
begin redocly package.json
fetch npm install --prefix "$work" --no-audit --no-fund
serve
# Warnings are findings too.
lint() {
	"$work/node_modules/.bin/redocly" lint --config api/redocly.yaml --max-problems 1000 "$work/openapi.json" >"$work/lint.log" 2>&1
	local status=$?
	cat "$work/lint.log"
	return $((status != 0)) && ! grep -qE '^warning|Warning was|[0-9]+ warning' "$work/lint.log"
}
must "its rules find nothing" lint
echo "1..$count"
