#!/usr/bin/env bash
# The commands of the README once more: here those that need Python's libraries have them.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
exec tests/http/test_readme.sh
