#!/usr/bin/env bash
# lossd-load against the real server: what it tells, what it finds wrong, and that a server which stands still for a
# second is seen in the open model. Output: TAP.
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
: "${BUILD:=build}"
lossd=${LOSSD:-$BUILD/lossd}
load=$BUILD/tests/load/lossd-load
# shellcheck source=tests/support/server.sh
source tests/support/server.sh

count=0
check() { # name status-of-the-check
	count=$((count + 1))
	if [ "$2" -eq 0 ]; then echo "ok $count - $1"; else
		sed 's/^/# /' "$scratch/out" "$scratch/err"
		echo "not ok $count - $1"
	fi
}

run() { "$load" --url "http://$address" --warmup 0s "$@" >"$scratch/out" 2>"$scratch/err"; }
number() { sed -n "s/.*\"$1\":\([-+.0-9e]*\).*/\1/p" "$scratch/out" | head -n 1; } # of the report in JSON
quantile() { sed -n "s/.*\"latency_seconds\":{[^}]*\"$1\":\([-+.0-9e]*\).*/\1/p" "$scratch/out"; }
holds() { awk "BEGIN { exit !($1) }"; }
fails_with() { # status words command...
	local status=$1 words=$2
	shift 2
	"$@" >"$scratch/out" 2>"$scratch/err"
	[ $? -eq "$status" ] && grep -q -e "$words" "$scratch/out" "$scratch/err"
}

echo "1..22"
start_server || { echo "Bail out! the server did not start"; exit 1; }

# Every loss with a scalar, as every format, with losses that are checked.
for format in json safetensors jsonl; do
	status=0
	for loss in $(curl -s "http://$address/v1/losses" | grep -o '"name":"[a-z0-9_]*","summary' | cut -d'"' -f4); do
		case $loss in softmax | log_softmax) continue ;; esac
		with=()
		[ "$loss" != divergence ] || with=(--with teacher_logits)
		[ "$loss" != policy_gradient ] || with=(--with sampling_log_probs)
		run --loss "$loss" --format $format --shape 6x5 --query reduction=sum --duration 50ms --bodies 3 --lines 7 \
			--json ${with[@]+"${with[@]}"} || { status=1; echo "# $loss"; break; }
	done
	check "every loss as $format" $status
done

for dtype in F64 F16 BF16 F8_E4M3; do
	run --dtype $dtype --format safetensors --shape 7x33 --duration 50ms && grep -q " $dtype " "$scratch/out"
	check "$dtype" $?
done

run --shape 3x4x5 --query class_axis=-1 --with weight --with row_weight --with mask --duration 50ms
check "class-last, with optional tensors" $?

run --rate 200 --duration 1s --connections 4 --threads 2 --json
holds "$(number answered) == 200 && $(number failed) == 0"
check "a rate is what was due, neither more nor less" $?

run --rate 200 --poisson --duration 2s --json
holds "$(number answered) > 250 && $(number answered) < 550"
check "a random one is about that" $?

# A stall is a second and more, however slow this machine is.
stall() {
	(sleep 0.7 && kill -STOP "$server" && sleep 1.1 && kill -CONT "$server") &
	run --rate 200 --duration 3s --json
	local status=$?
	wait $!
	return $status
}
stall
holds "$(quantile p99) >= 0.9 && $(number answered) == 600"
check "a stall of a second is in the open model's p99, and nothing is left out" $?

grep -q '"phase_seconds":{"receive":{"n":600,' "$scratch/out"
check "the server's phases stand beside" $?

mkdir "$scratch/bodies"
"$load" --write "$scratch/bodies" --bodies 2 --format safetensors >"$scratch/out" 2>"$scratch/err" &&
	run --duration 50ms "$scratch"/bodies/*.safetensors
check "bodies that were written are sent again" $?

printf '{"logits": [[1, 2]], "targets": [2]}' >"$scratch/bad.json"
fails_with 1 'status 422' "$load" --url "http://$address" --warmup 0s --duration 50ms "$scratch/bad.json"
check "what is refused is a failure" $?

# A server whose every loss is 1.
cat >"$scratch/wrong.py" <<'END'
import http.server

class Wrong(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "10")
        self.end_headers()
        self.wfile.write(b'{"loss":1}')

    def log_message(self, *words):
        pass

with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Wrong) as server:
    print(server.server_port, flush=True)
    server.serve_forever()
END
if command -v python3 >/dev/null; then
	exec 4< <(exec python3 "$scratch/wrong.py")
	other=$!
	read -r -t 60 -u 4 port
	fails_with 1 ' wrong losses' "$load" --url "http://127.0.0.1:$port" --duration 50ms --warmup 0s &&
		! grep -q ' 0 wrong losses' "$scratch/out" && grep -q 'the first: wrong: {"loss":1}' "$scratch/out"
	check "a wrong loss is a failure" $?
	"$load" --url "http://127.0.0.1:$port" --duration 50ms --warmup 0s --no-check >"$scratch/out" 2>"$scratch/err"
	check "that nobody looks for is none" $?
	kill "$other"
else
	for name in "a wrong loss is a failure" "that nobody looks for is none"; do
		count=$((count + 1))
		echo "ok $count - $name # SKIP there is no python3 here"
	done
fi

fails_with 1 'answered   0 ' "$load" --url http://127.0.0.1:1 --duration 50ms --warmup 0s --connections 1
check "no server is a failure" $?

run --find-max --p99 5s --duration 200ms --connections 2 && grep -q 'the largest rate' "$scratch/out"
check "a largest rate is found" $?

fails_with 1 'no rate was held' "$load" --url "http://$address" --warmup 0s --find-max --p99 1us --duration 50ms
check "and none where no request is that fast" $?

fails_with 2 '1 to 10000' "$load" --connections 10001
check "a number out of range" $?
fails_with 2 'need each other' "$load" --find-max
check "options that need each other" $?
fails_with 2 'a tensor of the loss' "$load" --with pos_weight
check "a tensor that the loss does not have" $?
