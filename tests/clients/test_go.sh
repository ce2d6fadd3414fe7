#!/usr/bin/env bash
# oapi-codegen.
# shellcheck source=tests/clients/common.sh disable=SC2317 # functions are called by name
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need curl go
begin go go.mod main.go
export GOPATH=$work/gopath GOCACHE=$work/cache GOFLAGS="-modcacherw -mod=mod"
install() { GOBIN=$work/bin go install github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2; }
fetch install
serve
generate() { mkdir -p "$work/api" && "$work/bin/oapi-codegen" -generate types,client -package api -o "$work/api/api.go" "$work/openapi.json"; }
must "it generates" generate
libraries() { go -C "$work" mod tidy; }
fetch libraries
must "it compiles" go -C "$work" build -o "$work/bin/main" .
ask "$work/bin/main"
