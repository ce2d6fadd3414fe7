#!/usr/bin/env bash
# openapi-python-client.
# shellcheck source=tests/clients/common.sh disable=SC2317 # functions are called by name
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need curl python3
begin python requirements.txt config.yaml main.py
bin=$work/venv/bin
install() { python3 -m venv "$work/venv" && "$bin/pip" install --quiet --no-input --disable-pip-version-check -r "$work/requirements.txt"; }
fetch install
serve
# What it can not read it warns of, and leaves out.
generate() {
	PATH=$bin:$PATH "$bin/openapi-python-client" generate --path "$work/openapi.json" --config "$work/config.yaml" \
		--meta none --overwrite --output-path "$work/lossd_client" --fail-on-warning
}
must "it generates, without warnings" generate
# The program as it uses the client; mypy has its own opinion of the client's insides.
must "it compiles" "$bin/mypy" --strict --follow-imports silent --python-executable "$bin/python" --cache-dir "$work/mypy" "$work/main.py"
export PYTHONDONTWRITEBYTECODE=1
ask "$bin/python" "$work/main.py"
