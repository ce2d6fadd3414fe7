#!/usr/bin/env bash
# A body again and again by wrk, in the closed model: wrk.sh URL BODY [CONNECTIONS] [SECONDS]
set -euo pipefail
url=${1:?the server\'s address, as http://127.0.0.1:8080} body=${2:?a file ending in .json, .jsonl or .safetensors}
script=$(mktemp)
trap 'rm -f "$script"' EXIT
# shellcheck source=tests/load/media_type.sh
source "$(dirname "${BASH_SOURCE[0]}")/media_type.sh"
cat >"$script" <<END
wrk.method = "POST"
wrk.headers["Content-Type"] = "$(media_type "$body")"
local file = assert(io.open("$body", "rb"))
wrk.body = file:read("*a")
file:close()
END
wrk --latency -t 1 -c "${3:-16}" -d "${4:-10}s" -s "$script" "$url/v1/losses/${LOSS:-cross_entropy}"
