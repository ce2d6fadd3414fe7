#!/usr/bin/env bash
# `lossd health`: what it says of servers that are ready, are not, or are none, over each way to one. Output: TAP.
# shellcheck disable=SC2317  # functions are called by name, by check and trap
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
lossd=$(cd "${BUILD:-build}" && pwd)/lossd || exit 1
# shellcheck source=tests/support/server.sh
. tests/support/server.sh

# Where nothing may be asked.
export http_proxy=http://127.0.0.1:1 https_proxy=http://127.0.0.1:1 ALL_PROXY=http://127.0.0.1:1
for variable in ${!LOSSD_*}; do unset "$variable"; done

# Runs it; 0 when its status is that, standard output empty, and standard error nothing where the status is 0, else one
# line with those words.
says() { # status words argument...
  local status=0 wanted=$1 words=$2
  shift 2
  "$lossd" health "$@" >"$scratch/out" 2>"$scratch/err" || status=$?
  if [ "$status" -ne "$wanted" ]; then
    echo "# lossd health $*: status $status, not $wanted: $(cat "$scratch/err")"
    return 1
  fi
  [ ! -s "$scratch/out" ] || { echo "# lossd health $* printed $(cat "$scratch/out")"; return 1; }
  if [ "$wanted" -eq 0 ]; then
    [ ! -s "$scratch/err" ] || { echo "# lossd health $* said $(cat "$scratch/err")"; return 1; }
  elif [ "$(wc -l <"$scratch/err")" -ne 1 ] || ! grep -qF -- "$words" "$scratch/err"; then
    echo "# lossd health $*: no \"$words\" in: $(cat "$scratch/err")"
    return 1
  fi
}

a_ready_server_is() {
  says 0 '' "http://$address" && says 0 '' "http://$address/" && says 0 '' "http://$address" --live &&
    says 0 '' --timeout-ms 5000 "http://$address" && says 0 '' "--timeout-ms=5000" "http://$address"
}

a_path_of_its_own_is_asked_for() {
  says 0 '' "http://$address/v1/losses" && says 1 'the status is 404, not 200' "http://$address/nowhere" &&
    says 1 'the status is 404, not 200' "http://$address/nowhere" --live &&
    says 1 'the status is 405, not 200' "http://$address/v2/models/softmax/infer"
}

a_unix_socket_is_one_too() {
  says 0 '' "unix:$scratch/l.sock" && says 0 '' --live "unix:$scratch/l.sock" &&
    says 1 "unix:$scratch/none.sock: " "unix:$scratch/none.sock"
}

# Without a URL it asks where a server with the same environment listens: the first place that can be asked, in plain
# text if there is one.
listens() { # LOSSD_LISTEN status words argument...
  local LOSSD_LISTEN=$1
  export LOSSD_LISTEN
  shift
  says "$@"
}

its_environment_says_where() {
  local port=${address##*:}
  listens "127.0.0.1:$port" 0 '' && listens "0.0.0.0:$port" 0 '' --live && listens "unix:$scratch/l.sock" 0 '' &&
    listens "fd:web,127.0.0.1:0,unix:$scratch/l.sock" 0 '' && listens "tls:127.0.0.1:1,127.0.0.1:$port" 0 '' &&
    listens "unix:$scratch/none.sock,127.0.0.1:$port" 1 "unix:$scratch/none.sock: " &&
    listens 'tls:[::]:1' 1 'https://[::1]:1: ' && listens 'tls:0.0.0.0:1' 1 'https://127.0.0.1:1: ' &&
    listens '[::1]:1' 1 'http://[::1]:1: ' && listens "127.0.0.1:1" 0 '' "http://$address" &&
    listens 'fd:web,127.0.0.1:0' 2 'LOSSD_LISTEN is "fd:web,127.0.0.1:0", where nobody can be asked; give a URL' &&
    listens '*:8080' 2 'LOSSD_LISTEN is "*:8080", which is no list of addresses' &&
    listens '' 2 'LOSSD_LISTEN is "", which is no list of addresses'
}

# The second line that the server prints can be pasted.
its_ready_line_can_be_pasted() {
  local line
  mkfifo "$scratch/local" || return 1
  "$lossd" --listen "unix:$scratch/only.sock" >"$scratch/local" 2>"$scratch/local.log" &
  local other=$!
  exec 4<"$scratch/local"
  IFS= read -r -t 60 -u 4 line && [ "$line" = "lossd: ready on unix:$scratch/only.sock" ] &&
    IFS= read -r -t 60 -u 4 line && bash -c "$line" | grep -qF '"loss":1.3447266'
  local status=$?
  kill "$other"
  wait "$other" || status=$?
  exec 4<&-
  return "$status"
}

# A server that stands still: all of it takes as long as it may, and no longer.
who_is_too_slow_is_not() {
  kill -STOP "$server"
  says 1 'imed out' "http://$address" --timeout-ms 100
  local status=$?
  kill -CONT "$server"
  return "$status"
}

what_is_no_url_is_told() {
  says 2 'does not begin with http://, https:// or unix:' 127.0.0.1:8080 &&
    says 2 'does not begin with' ftp://127.0.0.1/ && says 2 'does not begin with' '' &&
    says 2 'is no URL' 'http://127.0.0.1:99999' && says 2 'is no URL' 'http://' &&
    says 2 'is no URL' 'http://a b/' && says 2 'is no URL' 'http://me:secret@127.0.0.1/' &&
    says 2 'must begin with /' unix:l.sock && says 2 'abstract' unix:@l && says 2 'no comma' 'unix:/a,unix:/b'
}

wrong_options_are_told() {
  says 2 'unknown option "--lives"' --lives && says 2 'unknown option "--live=1"' --live=1 &&
    says 2 '--timeout-ms needs a value' --timeout-ms && says 2 '"b" is one URL too many' http://a b &&
    says 2 '--ca: /nowhere: No such file' --ca /nowhere && says 2 'without --certificate' --key "$lossd"
}

timeouts_have_bounds() {
  for bad in 0 -1 '' x 1x 3600001 99999999999999999999; do
    says 2 'from 1 to 3600000' --timeout-ms "$bad" || return 1
  done
  says 0 '' "http://$address" --timeout-ms 3600000 &&
    says 1 '' "unix:$scratch/none.sock" --timeout-ms 1
}

help_is_printed() {
  "$lossd" health --help >"$scratch/out" && grep -q '^usage: lossd health' "$scratch/out" &&
    grep -q -- '--timeout-ms N' "$scratch/out" && "$lossd" --help | grep -q 'lossd health'
}

# Told to stop it lives and is not ready; gone it is neither.
a_draining_server_is_not_ready() {
  kill "$server"
  local end=$((SECONDS + 60))
  until says 1 'the status is 503, not 200' "http://$address" >/dev/null; do
    [ "$SECONDS" -lt "$end" ] || return 1
  done
  says 0 '' --live "http://$address" || return 1
  kill "$server" # the second one ends it
  wait "$server"
  server=
  says 1 'onnect' "http://$address"
}

tests=(a_ready_server_is a_path_of_its_own_is_asked_for a_unix_socket_is_one_too its_environment_says_where
  its_ready_line_can_be_pasted
  who_is_too_slow_is_not what_is_no_url_is_told wrong_options_are_told timeouts_have_bounds
  help_is_printed a_draining_server_is_not_ready)
echo "1..${#tests[@]}"
export LOSSD_DRAIN_DELAY_MS=3600000
server_flags=(--listen "unix:$scratch/l.sock")
start_server || { echo "Bail out! no server: $(cat "$scratch/log")"; exit 1; }
unset LOSSD_DRAIN_DELAY_MS
failed=0
for i in "${!tests[@]}"; do
  if "${tests[i]}"; then echo "ok $((i + 1)) ${tests[i]}"; else echo "not ok $((i + 1)) ${tests[i]}"; failed=1; fi
done
exit "$failed"
