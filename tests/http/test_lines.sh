#!/usr/bin/env bash
# Bodies of lines as people send them with curl: from a file, from a pipe, compressed, over a Unix socket. Output: TAP.
# shellcheck disable=SC2317  # functions are called by name, by check and trap
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
lossd=$(cd "${BUILD:-build}" && pwd)/lossd || exit 1
# shellcheck source=tests/support/server.sh
. tests/support/server.sh

for variable in ${!LOSSD_*}; do unset "$variable"; done
export http_proxy='' ALL_PROXY=''
lines=50000 # whose replies are more than stay in memory
path=v1/losses/cross_entropy

# The i-th problem has the loss of row i % 7: every seventh line of the reply is the same.
problems() {
  awk -v n="$lines" 'BEGIN { for (i = 0; i < n; i++)
    printf "{\"logits\": [[%d, 0.5], [1, %d.25]], \"targets\": [0, 1]}%s\n", i % 7, i % 7, i % 2 ? "" : "\r" }'
}

send() { # argument...
  curl -fsS --max-time 60 -H 'Content-Type: application/x-ndjson' "$@" -o "$scratch/reply"
}

is_answered() {
  [ "$(wc -l <"$scratch/reply")" -eq "$lines" ] &&
    [ "$(sort -u "$scratch/reply" | wc -l)" -eq 7 ] &&
    [ "$(sed -n 1p "$scratch/reply")" = "$(sed -n 8p "$scratch/reply")" ] &&
    ! grep -qv '^{"loss":[0-9.e-]*,"totals":' "$scratch/reply"
}

a_file_is_sent_as_it_is() {
  send "http://$address/$path" --data-binary "@$scratch/problems" && is_answered
}

a_pipe_is_sent_as_it_comes() {
  problems | send "http://$address/$path" -X POST -T - && is_answered
}

# Of what compresses so well the first MiB is taken.
a_compressed_file_is_taken_and_given() {
  local lines=14000
  head -n "$lines" "$scratch/problems" | gzip -c >"$scratch/problems.gz" &&
    send "http://$address/$path" -H 'Content-Encoding: gzip' --compressed --data-binary "@$scratch/problems.gz" &&
    is_answered
}

a_unix_socket_gives_the_same() {
  send --unix-socket "$scratch/l.sock" "http://localhost/$path" --data-binary "@$scratch/problems" && is_answered
}

eval_says_the_same() {
  head -n 7 "$scratch/problems" >"$scratch/some.jsonl" &&
    "$lossd" eval --loss cross_entropy "$scratch/some.jsonl" |
    sed 's/"line":[0-9]*,//; s/,"metrics":.*/}/' >"$scratch/said" && head -n 7 "$scratch/reply" | cmp - "$scratch/said"
}

# One whose files may not be longer: what does not fit is sent from memory, and then nothing more is answered.
a_full_disk_is_told_in_the_last_line() {
  local other line status=0 said n lines=$lines
  mkfifo "$scratch/full"
  (ulimit -f 4500 && exec "$lossd" --listen 127.0.0.1:0 --spool-directory "$scratch/spool") \
    >"$scratch/full" 2>"$scratch/full.log" &
  other=$!
  exec 4<"$scratch/full"
  while IFS= read -r -t 60 -u 4 line; do
    case $line in *'ready on http://'*) break ;; esac
  done
  send "http://${line##*http://}/$path" --data-binary "@$scratch/problems" || status=1
  kill "$other"
  wait "$other" || status=1
  exec 4<&-
  n=$(wc -l <"$scratch/reply") said=$(tail -n 1 "$scratch/reply")
  [ "$(wc -c <"$scratch/reply")" -gt $((4500 * 1024)) ] && [ "$n" -lt "$lines" ] || status=1
  [[ $said == *'"status":503,'* && $said == *'File too large'* && $said == *"\"line\":$n,"* ]] || status=1
  lines=$((n - 1)) && sed -i '$d' "$scratch/reply" && is_answered && return "$status"
}

nothing_is_left_in_the_folder() {
  [ -z "$(ls -A "$scratch/spool")" ]
}

mkdir "$scratch/spool"
server_flags=(--spool-directory "$scratch/spool" --listen "unix:$scratch/l.sock")
problems >"$scratch/problems"
start_server || { echo "1..1"; echo "not ok 1 - the server starts"; exit 1; }

tests=(a_file_is_sent_as_it_is a_pipe_is_sent_as_it_comes a_compressed_file_is_taken_and_given
  a_unix_socket_gives_the_same eval_says_the_same a_full_disk_is_told_in_the_last_line nothing_is_left_in_the_folder)
echo "1..${#tests[@]}"
status=0
for i in "${!tests[@]}"; do
  if "${tests[i]}"; then
    echo "ok $((i + 1)) - ${tests[i]//_/ }"
  else
    echo "not ok $((i + 1)) - ${tests[i]//_/ }"
    status=1
  fi
done
exit "$status"
