#!/bin/sh
# The cross entropy of one row with curl: sh curl.sh
set -eu
url=${LOSSD_URL:-http://127.0.0.1:8080}

# --fail-with-body: an error's document (application/problem+json) is printed, and the script fails.
reply=$(curl --silent --show-error --fail-with-body \
  --header 'Content-Type: application/json' \
  --data '{"logits": [[-0.7715, -0.6205, -0.2562]], "targets": [0], "outputs": ["loss", "grad"]}' \
  "$url/v1/losses/cross_entropy") || { printf '%s\n' "$reply" >&2; exit 1; }

# A reply this small needs no JSON tool; with jq at hand: printf '%s' "$reply" | jq .loss
printf '%s\n' "$reply" | sed -n \
  -e 's/.*"loss": *\([^,}]*\).*/loss \1/p'
printf '%s\n' "$reply" | sed -n \
  -e 's/.*"grad": *\[\[\([^]]*\)\]\].*/grad \1/p' | tr ',' ' ' | tr -s ' '
