#!/usr/bin/env bash
# A body at a fixed rate by vegeta, in the open model; its report as JSON:
# vegeta.sh URL BODY [CONNECTIONS] [SECONDS] [RATE]
#
# Without vegeta: go install github.com/tsenart/vegeta/v12@latest
set -euo pipefail
url=${1:?the server\'s address, as http://127.0.0.1:8080} body=${2:?a file ending in .json, .jsonl or .safetensors}
# shellcheck source=tests/load/media_type.sh
source "$(dirname "${BASH_SOURCE[0]}")/media_type.sh"
echo "POST $url/v1/losses/${LOSS:-cross_entropy}" |
	vegeta attack -body "$body" -header "Content-Type: $(media_type "$body")" -rate "${5:-1000}/s" \
		-duration "${4:-10}s" -max-connections "${3:-16}" -connections "${3:-16}" -workers "${3:-16}" |
	vegeta report -type json
