# The real server for tests in shell, which set `lossd`, the program, and source this from the root of the project: a
# folder of its own ($scratch) and its end, with the test's.
# shellcheck shell=bash disable=SC2154

scratch=$(mktemp -d)
server=
server_flags=()

finish() {
  [ -n "$server" ] && kill "$server" 2>/dev/null && wait "$server"
  rm -rf "$scratch"
}
trap finish EXIT

# Starts it with those flags, and sets `address` from its ready line; gives up when it ends, or says nothing for a minute.
start_server() {
  mkfifo "$scratch/ready" || return 1
  "$lossd" --listen 127.0.0.1:0 ${server_flags[@]+"${server_flags[@]}"} >"$scratch/ready" 2>"$scratch/log" &
  server=$!
  exec 3<"$scratch/ready"
  while IFS= read -r -t 60 -u 3 line; do
    case $line in
    *'ready on http://'*)
      address=${line##*http://}
      return 0
      ;;
    esac
  done
  return 1
}
