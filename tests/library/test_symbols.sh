#!/usr/bin/env bash
# What the built library shows to those who link it is what its headers declare, no more and no less: of libloss.so, of
# its version, and of libloss.a, whose other names must not collide with a program's own. Output: TAP.
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
build=${BUILD:-build}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
count=0 failed=0

# Behind the preprocessor every loss_name( is a declaration.
declared() {
  "${CC:-cc}" -E -P src/loss.h | grep -oE '\<loss_[a-z0-9_]+ ?\(' | tr -d ' (' | LC_ALL=C sort -u
}

# Names of functions and data that others can link; not the name of the version.
shown() { # nm's arguments
  nm --defined-only "$@" | awk 'NF == 3 && $2 ~ /[TWVDBRGSCu]/ { sub(/@.*/, "", $3); print $3 }' | LC_ALL=C sort -u
}

tap() { # status name
  count=$((count + 1))
  [ "$1" -eq 0 ] || { printf 'not '; failed=$((failed + 1)); }
  echo "ok $count - $2"
}

same() { # file name
  diff "$scratch/declared" "$1" >"$scratch/diff"
  local status=$?
  sed 's/^/# /' "$scratch/diff"
  tap $status "$2"
}

skip() { # name reason
  count=$((count + 1))
  echo "ok $count - $1 # SKIP $2"
}

echo 1..4
declared >"$scratch/declared"
[ "$(wc -l <"$scratch/declared")" -gt 50 ]
tap $? 'the headers declare functions'

if [ -e "$build/libloss.so" ]; then
  shown -D "$build/libloss.so" >"$scratch/so"
  same "$scratch/so" 'libloss.so exports what the headers declare'
  ! nm -D --defined-only "$build/libloss.so" | awk '$2 == "T" && $3 !~ /^loss_[a-z0-9_]+@@LIBLOSS_0$/' | grep .
  tap $? 'every function has its version'
else
  skip 'libloss.so exports what the headers declare' 'this system has no version scripts'
  skip 'every function has its version' 'this system has no version scripts'
fi

if grep -q -e -fsanitize "$build/flags" || [ "$(uname -s)" != Linux ]; then
  skip 'libloss.a shows what the headers declare' 'it is not made one object under a sanitizer, or beyond Linux'
else
  shown "$build/libloss.a" >"$scratch/a"
  same "$scratch/a" 'libloss.a shows what the headers declare'
fi
exit $((failed > 0))
