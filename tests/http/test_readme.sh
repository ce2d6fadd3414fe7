#!/usr/bin/env bash
# Every block of README.md and api/README.md is one that is run here as it is printed, or one that is listed with the
# reason why it is not. They run in a folder of their own, against a server of their own whose address takes the place of
# 127.0.0.1:8080, with the built program on PATH. What needs a program or a Python package that is not here is skipped.
# Output: TAP.
# shellcheck disable=SC2317  # functions are called by name, by run and trap
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
root=$PWD
build=$(cd "${BUILD:-build}" && pwd) || exit 1
lossd=$build/lossd
# shellcheck source=tests/support/server.sh
. tests/support/server.sh
folder=$scratch/folder

# Writes each block of a page, indented or fenced, into a file of its own below $scratch/blocks.
split_page() { # page
  awk -v to="$scratch/blocks/$(echo "$1" | tr / -)" '
    function out(line) { if (!open) { file = sprintf("%s.%02d", to, ++n); open = 1 }; print line >file }
    /^```/ { fenced = !fenced; open = 0; next }
    fenced { out($0); next }
    /^    / { if (open || blank) { for (; open && gap > 0; gap--) out(""); gap = 0; out(substr($0, 5)) }; blank = 0; next }
    /^$/ { blank = 1; gap++; next }
    { open = 0; blank = 0; gap = 0 }' "$1"
}

# ---------------------------------------------------------------- what blocks are

# Blocks that are not run: how they begin, and why.
not_run='
apt-get update && apt-get install -y make && make run|installs packages, and never ends
apt-get update && apt-get install -y make && make test|installs packages, and runs this test
lossd: ready on http://127.0.0.1:8080|is what make run prints
{"loss":1.3447266,|is a reply, which the block before it is held against
server/    the daemon|is a list of folders
POST /v1/losses/cross_entropy HTTP/1.1|is a request with remarks
POST /v1/totals/merge HTTP/1.1|is a request with shortened states
HTTP/1.1 200 OK|is a reply with remarks
POST /v1/losses/cross_entropy?reduction=sum&outputs=loss,grad HTTP/1.1|is a head with remarks
HTTP/1.1 422 Unprocessable Content|is a reply
curl -so openapi.json|fetches generators, which make test-clients runs
'

# Blocks that are run: how they begin, the function that judges them, and what succeeds where all is there that it needs.
# shellcheck disable=SC2016  # what is in it is for the shell that probes
runs='
curl http://127.0.0.1:8080/v1/losses/cross_entropy|curl_replies|command -v curl
python3 -c '\''import numpy, safetensors|safetensors_replies|command -v curl && python3 -c "import numpy, safetensors"
python3 -c '\''import numpy, tritonclient|tritonclient_replies|python3 -c "import numpy, tritonclient.http"
printf |lines_replies|command -v curl
curl -s http://127.0.0.1:8080|schema_replies|command -v curl && command -v jq
node -e '\''const x|node_replies|node -e "fetch"
lossd eval batch.safetensors|eval_replies|command -v python3
lossd eval --loss divergence|pair_reply|command -v python3
ls part*.safetensors|merge_reply|command -v python3
make setup-run && make|library_replies|command -v cc && command -v c++ && command -v pkg-config
build/lossd --listen|settings_result|true
umask 077|keys_listed|true
lossd --keys-file|keys_replies|command -v curl
import numpy, lossd|python_losses|python3 -c "import sys, numpy; sys.exit(sys.version_info < (3, 9))" && test -e "${BUILD:-build}/python/lossd/functional.py" && ! grep -q fsanitize "${BUILD:-build}/flags"
openssl req -x509|tls_replies|command -v openssl && command -v curl
'

# ---------------------------------------------------------------- how they are run

# Runs text as a reader would paste it; what it prints goes to $scratch/out.
paste() { # text
  (cd "$folder" && bash -euc "${1//127.0.0.1:8080/$address}") >"$scratch/out" 2>"$scratch/err" </dev/null
}

holds() { # text
  grep -qF -e "$1" "$scratch/out"
}

# A reply in one line without what is measured.
without_times() {
  tr -d '\n' | sed -E 's/ +"/"/g; s/("[a-z_]*seconds":)[0-9.e+-]+/\1/g; s/("(threads|isa)":)[^,}]*/\1/g'
}

# The page shows the reply in the block after the command.
curl_replies() { # block
  local next
  next=$(grep -lF '{"loss":1.3447266,' "$scratch"/blocks/README.md.* | head -n 1)
  [ -n "$next" ] && paste "$(cat "$1")" && [ "$(without_times <"$scratch/out")" = "$(without_times <"$next")" ]
}

lines_replies() {
  paste "$(cat "$1")" && [ "$(wc -l <"$scratch/out")" -eq 2 ] && holds '{"loss":1.3132616,' && holds '{"loss":0.3132617,'
}

schema_replies() {
  paste "$(cat "$1")" && grep -q '"required"' "$folder/problem.schema.json"
}

safetensors_replies() {
  paste "$(cat "$1")" && holds '"accuracy":1.0'
}

tritonclient_replies() {
  paste "$(cat "$1")" && holds 5.909472
}

# In process and by a server: the same.
python_losses() {
  (cd "$folder" && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$build/python python3 "$1") >"$scratch/out" 2>"$scratch/err" &&
    [ "$(wc -l <"$scratch/out")" -eq 2 ] && [ "$(sort -u "$scratch/out" | wc -l)" -eq 1 ] && holds 6.009
}

node_replies() {
  paste "$(cat "$1")" && holds 5.909472 && holds 'Float32Array(8000)'
}

# The files that the lines read: logits of two classes, one row each, whose loss is log 2.
write_batches() {
  python3 - "$folder" <<'END'
import json, os, struct, sys, zipfile

def npy(descr, shape, data):
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data

def zstd(data):  # one frame of one raw block
    return b"\x28\xb5\x2f\xfd\x60" + struct.pack("<H", len(data) - 256) + (len(data) << 3 | 1).to_bytes(3, "little") + data

os.chdir(sys.argv[1])
logits, targets = npy("<f4", (1, 2), bytes(8)), npy("<i8", (1,), bytes(8))
header = json.dumps({"targets": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]},
                     "logits": {"dtype": "F32", "shape": [1, 2], "data_offsets": [8, 16]}}).encode()
for name in "batch", "monday", "tuesday":
    open(name + ".safetensors", "wb").write(struct.pack("<Q", len(header)) + header + bytes(16))
open("logits.npy", "wb").write(logits)
open("targets.npy", "wb").write(targets)
with zipfile.ZipFile("batch.npz", "w") as archive:
    archive.writestr("logits.npy", logits)
    archive.writestr("targets.npy", targets)
open("batch.json.zst", "wb").write(zstd(json.dumps(
    {"log_probs": [[0, -3.5]], "targets": [1]}).encode().ljust(300)))
open("batches.jsonl", "w").write('{"logits": [[0, 0]], "targets": [1]}\n' * 2)
END
}

eval_replies() {
  write_batches && paste "$(cat "$1")" && [ "$(wc -l <"$scratch/out")" -eq 8 ] &&
    [ "$(grep -c '"loss":0.6931472,' "$scratch/out")" -eq 7 ] && holds '{"loss":0.6931472,"accuracy":1.0,' &&
    holds '{"loss":3.5,' && holds '{"file":"tuesday.safetensors","loss":' && holds '{"line":2,"loss":'
}

# The same logits twice.
pair_reply() {
  write_batches && cp "$folder/monday.safetensors" "$folder/base.safetensors" &&
    cp "$folder/monday.safetensors" "$folder/candidate.safetensors" && paste "$(cat "$1")" &&
    holds '{"loss":0.0,"agreement":1.0,"loss_quantiles":[0.0,'
}

# Two parts of one row each.
merge_reply() {
  write_batches && mv "$folder/monday.safetensors" "$folder/part1.safetensors" &&
    mv "$folder/tuesday.safetensors" "$folder/part2.safetensors" && paste "$(cat "$1")" &&
    holds '{"loss":0.6931472,"accuracy":1.0,' && holds '"rows":2,"counted":2,'
}

# Its first line installs packages and below /usr/local: here what is built goes into the folder.
library_replies() {
  local status
  MAKEFLAGS='' make -s BUILD="${BUILD:-build}" PREFIX="$scratch/usr" install-built >"$scratch/out" 2>&1 || return 1
  export PKG_CONFIG_PATH=$scratch/usr/lib/pkgconfig LD_LIBRARY_PATH=$scratch/usr/lib
  paste "$(sed 1d "$1")"
  status=$?
  unset PKG_CONFIG_PATH LD_LIBRARY_PATH
  [ "$status" -eq 0 ] && [ "$(grep -c 1.3447266 "$scratch/out")" -eq 2 ]
}

# Served, the first line would never end: --check-config says what it would serve with.
settings_result() {
  paste "$(sed '1s/$/ --check-config/' "$1")" && [ "$(grep -c '^{$' "$scratch/out")" -eq "$(wc -l <"$1")" ] &&
    [ "$(grep -c '"listen": "127.0.0.1:9000"' "$scratch/out")" -eq 2 ] && holds '"threads": 4'
}

keys_listed() {
  paste "$(cat "$1")" && [ "$(wc -l <"$scratch/out")" -eq 3 ] && [ "$(cat "$folder"/*.key | grep -cE '^lossd_[A-Za-z0-9_-]{43}$')" -eq 2 ]
}

# The server of the first line, on a port of its own, with the keys of the block before; then the others.
keys_replies() {
  local first own line address=nowhere status
  first=$(sed -n '1s/ &$//p' "$1")
  mkfifo "$scratch/own" || return 1
  (cd "$folder" && exec bash -c "exec $first --listen 127.0.0.1:0") >"$scratch/own" 2>"$scratch/own.log" &
  own=$!
  exec 4<"$scratch/own"
  while IFS= read -r -t 60 -u 4 line; do
    case $line in *'ready on http://'*) address=${line##*http://} && break ;; esac
  done
  line=$(sed 1d "$1")
  paste "${line//\$!/$own}"
  status=$?
  kill "$own" && wait "$own" && [ "$status" -eq 0 ] && holds '{"losses":['
}

# The server in the middle gets a free port.
tls_replies() {
  local port='' tls status
  paste "$(sed '/^lossd /,$d' "$1")" || return 1
  (cd "$folder" && eval "exec $(sed -n '/^lossd /{s/:8443/:0/; s/ &$//; p}' "$1")") >"$scratch/tls" 2>"$scratch/err" &
  tls=$!
  while [ -z "$port" ] && kill -0 "$tls" 2>/dev/null; do
    sleep 0.05
    port=$(sed -n 's/.*ready on https:.*://p' "$scratch/tls")
  done
  [ -n "$port" ] && paste "$(sed -n "/^curl /s/:8443/:$port/p" "$1")" && holds '"cross_entropy"'
  status=$?
  kill "$tls" && wait "$tls"
  return "$status"
}

# ---------------------------------------------------------------- the test

count=0 failed=0

tap() { # status name
  count=$((count + 1))
  [ "$1" -eq 0 ] || { printf 'not '; failed=$((failed + 1)); }
  echo "ok $count - $2"
}

run() { # block function probe
  local name
  name=$(head -n 1 "$1")
  if [ "$2" = library_replies ] && grep -q fsanitize "$build/flags"; then
    tap 0 "$name # SKIP the library is instrumented: test_install.sh links it"
  elif ! sh -c "$3" >/dev/null 2>&1; then
    tap 0 "$name # SKIP it needs what is not here ($3)"
  else
    "$2" "$1"
    local status=$?
    tap $status "$name"
    [ $status -eq 0 ] || sed 's/^/# /' "$scratch/out" "$scratch/err"
  fi
}

# The one entry of a list that the block begins with, after its beginning.
entry() { # block list
  local start rest first
  first=$(head -n 1 "$1")
  while IFS='|' read -r start rest; do
    [ -n "$start" ] && [ "${first#"$start"}" != "$first" ] && echo "$rest" && return
  done <<<"$2"
  return 1
}

mkdir -p "$scratch/blocks" "$folder"
for page in README.md api/README.md; do split_page "$page"; done
ln -s "$build" "$folder/build"
ln -s "$root/api" "$folder/api"
cp config/lossd.json "$folder/lossd.json"
export PATH=$build:$PATH
if ! start_server; then
  echo "Bail out! $build/lossd did not become ready: $(tail -n 1 "$scratch/log" 2>/dev/null)"
  exit 1
fi
blocks=("$scratch"/blocks/*)
echo "1..$((${#blocks[@]} + 1))"
for block in "${blocks[@]}"; do
  if why=$(entry "$block" "$not_run"); then
    tap 0 "$(head -n 1 "$block") is not run: it $why"
  elif how=$(entry "$block" "$runs"); then
    run "$block" "${how%%|*}" "${how#*|}"
  else
    tap 1 "$(basename "$block") is in neither list: $(head -n 1 "$block")"
  fi
done
# An entry that no block begins with has lost its block, or is misspelt.
astray=0
while IFS='|' read -r start _; do
  [ -z "$start" ] || head -qn 1 "$scratch"/blocks/* | awk -v start="$start" 'index($0, start) == 1 { n++ } END { exit n != 1 }' ||
    { echo "# not one block begins with $start"; astray=1; }
done <<<"$not_run$runs"
tap $astray 'every entry has its block'
exit $((failed > 0))
