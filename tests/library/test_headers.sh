#!/usr/bin/env bash
# The public headers, each alone and loss.h twice, as C17, C++11 and C++17, with every compiler that is here and without
# a word from it. A compiler that is missing is skipped. Output: TAP.
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
warnings=(-Wall -Wextra -Wpedantic -Wundef -Wold-style-cast -Werror)
count=0 failed=0

# What is wrong with the headers in that language, if anything. In C there is no old style of casts.
compile() { # compiler standard ending
  local header status=0 flags=("${warnings[@]}")
  [ "$3" = cpp ] || flags=("${flags[@]/-Wold-style-cast/-Wstrict-prototypes}")
  for header in loss.h loss/*.h; do
    printf '#include <%s>\n#include <loss.h>\nint main(void) { return LOSS_OK; }\n' "$header" >"$scratch/one.$3"
    "$1" "-std=$2" "${flags[@]}" -I"$PWD" -fsyntax-only "$scratch/one.$3" || status=1
  done
  return $status
}

headers() { # compiler standard ending
  count=$((count + 1))
  if ! command -v "$1" >/dev/null; then
    echo "ok $count - $1, $2 # SKIP there is no $1"
  elif (cd src && compile "$@") >"$scratch/words" 2>&1; then
    echo "ok $count - $1, $2"
  else
    echo "not ok $count - $1, $2"
    sed 's/^/# /' "$scratch/words"
    failed=$((failed + 1))
  fi
}

echo 1..6
headers gcc c17 c
headers clang c17 c
for standard in c++11 c++17; do
  headers g++ $standard cpp
  headers clang++ $standard cpp
done
exit $((failed > 0))
