#!/usr/bin/env bash
# A body at a fixed rate by oha, in the open model, timed from when each request was due; its report as JSON:
# oha.sh URL BODY [CONNECTIONS] [SECONDS] [RATE]
#
# Without oha: cargo install oha
set -euo pipefail
url=${1:?the server\'s address, as http://127.0.0.1:8080} body=${2:?a file ending in .json, .jsonl or .safetensors}
# shellcheck source=tests/load/media_type.sh
source "$(dirname "${BASH_SOURCE[0]}")/media_type.sh"
oha --no-tui --output-format json --latency-correction -q "${5:-1000}" -c "${3:-16}" -z "${4:-10}s" -m POST \
	-T "$(media_type "$body")" -D "$body" "$url/v1/losses/${LOSS:-cross_entropy}"
