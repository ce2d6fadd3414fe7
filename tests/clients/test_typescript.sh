#!/usr/bin/env bash
# openapi-typescript and openapi-fetch.
# shellcheck source=tests/clients/common.sh disable=SC2317 # functions are called by name
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need curl node npm
begin typescript package.json tsconfig.json main.ts
fetch npm install --prefix "$work" --no-audit --no-fund
serve
must "it generates" "$work/node_modules/.bin/openapi-typescript" "$work/openapi.json" -o "$work/schema.d.ts"
must "it compiles" "$work/node_modules/.bin/tsc" -p "$work"
ask node "$work/out/main.js"
