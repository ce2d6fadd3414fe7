#!/usr/bin/env bash
# Runs every example of api/examples against the real server, on a port of its own, and compares what it prints with the
# exact loss and gradient. An example whose toolchain is not installed is skipped. Output: TAP.
# shellcheck disable=SC2317  # functions are called by name, by example and trap
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
lossd=${LOSSD:-${BUILD:-build}/lossd}
examples=api/examples
# shellcheck source=tests/support/server.sh
. tests/support/server.sh

# Whether a file holds the right loss and the gradient to within 4 ulp of float32.
check() {
  awk '
    function near(printed, exact) { d = printed - exact; return d < 2.4e-7 && d > -2.4e-7 }
    $1 == "loss" && NF == 2 { loss = ($2 == "1.3447266") }
    $1 == "grad" && NF == 4 {
      grad = near($2, -0.7393890488) && near($3, 0.3030896542) && near($4, 0.4362993946)
    }
    END { exit !(NR == 2 && loss && grad) }
  ' "$1"
}

# Whether a file holds what the packed documents come to.
check_documents() {
  diff "$1" - <<'EOF'
document 0 tokens 2 nats 1.343254 mean 0.671627
document 1 tokens 3 nats 4.308063 mean 1.436021
bits_per_byte 0.388244
EOF
}

# Whether a file holds what a step of reinforcement learning says.
check_policy() {
  awk '$1 == "clip_fraction" && $3 == "kl" && $4 > 0 { told = 1 } $1 == "loss" { loss = 1 }
       /^gradient as in PyTorch True$/ { same = 1 } END { exit !(NR == 3 && told && loss && same) }' "$1"
}

# Whether a file holds what the forecasts come to.
check_regression() {
  diff "$1" - <<'EOF'
nats 1.051045 of 4 hours
degrees 0.625000
quantile 0.1 loss 0.175000
quantile 0.9 loss 0.100000
EOF
}

count=0
failed=0
judge=check

# example NAME PROBE COMMAND...: PROBE is a shell command that succeeds where the toolchain is there.
example() {
  local name=$1 probe=$2
  shift 2
  count=$((count + 1))
  if ! sh -c "$probe" >/dev/null 2>&1; then
    echo "ok $count - $name # SKIP its toolchain is not installed ($probe)"
  elif "$@" >"$scratch/out" 2>"$scratch/err" && "$judge" "$scratch/out"; then
    echo "ok $count - $name"
  else
    echo "not ok $count - $name"
    sed 's/^/# /' "$scratch/out" "$scratch/err"
    failed=$((failed + 1))
  fi
}

run_go() ( # package
  # No cgo, no module proxy, no newer toolchain: what is installed must do.
  export CGO_ENABLED=0 GOFLAGS=-mod=mod GOPROXY=off GOTOOLCHAIN=local
  [ -w "${HOME:-/nonexistent}" ] || export GOCACHE=$scratch/go
  cd "$examples/go" && go run "$1"
)

# The loss of two tokens, and gradients that add up to 0 for each of them.
check_distillation() {
  awk '$1 == "loss" && $2 > 0.1537 && $2 < 0.1538 && $4 == 1 && $6 == 2 { loss = 1 }
       $1 == "grad" { sum = $3 + $4 + $5 + $6; if (sum < 4e-6 && sum > -4e-6) zero++ }
       END { exit !(NR == 4 && loss && zero == 3) }' "$1"
}

run_c() { # name
  ${CC:-cc} -std=c17 -Wall -Wextra -o "$scratch/$1" "$examples/$1.c" -lcurl -lcjson && "$scratch/$1"
}

# Two values, and that they are those of the whole.
run_shards() {
  LOSSD=$lossd sh "$examples/shards.sh" >"$scratch/out" || return
  awk '$1 == "loss" && $2 > 0 { loss = 1 } $1 == "ece" && $2 > 0 { ece = 1 }
       /^the same bits as the whole$/ { same = 1 } END { exit !(NR == 5 && loss && ece && same) }' "$scratch/out"
}

# What F8_E5M2 leaves of F16; that a bound below that is one; and files that are none.
run_quantisation() {
  LOSSD=$lossd sh "$examples/quantisation.sh" >"$scratch/out" && diff "$scratch/out" - <<'EOF' || return
mean KLD 0.001061, to be at most 0.02
same top 92.00 %
minimum KLD 0.000001
0.1% KLD 0.000001
1% KLD 0.000002
5% KLD 0.000005
10% KLD 0.000008
median KLD 0.000112
90% KLD 0.001832
95% KLD 0.008985
99% KLD 0.015992
99.9% KLD 0.019940
maximum KLD 0.020733
mean delta p -0.042 %, RMS 0.440 %
EOF
  LOSSD=$lossd BOUND=0.001 sh "$examples/quantisation.sh" >"$scratch/above"
  [ $? -eq 3 ] && [ "$(wc -l <"$scratch/above")" -eq 14 ] || return
  LOSSD=$lossd sh "$examples/quantisation.sh" "$scratch/none" "$scratch/out" >"$scratch/above"
  [ $? -eq 2 ]
}

# One that needs no server.
alone() { # name
  count=$((count + 1))
  if "run_$1" 2>"$scratch/err"; then
    echo "ok $count - $1"
  else
    echo "not ok $count - $1"
    sed 's/^/# /' "$scratch/out" "$scratch/err"
    failed=$((failed + 1))
  fi
}

echo 1..19
if ! start_server; then
  echo "Bail out! $lossd did not become ready: $(tail -n 1 "$scratch/log" 2>/dev/null)"
  exit 1
fi
export LOSSD_URL=http://$address
example 'curl' 'command -v curl' sh "$examples/curl.sh"
example 'Python, requests' "python3 -c 'import requests'" python3 "$examples/python_requests.py"
example 'Python, safetensors' "python3 -c 'import numpy, requests, safetensors'" python3 "$examples/python_safetensors.py"
example 'Python, tritonclient' "python3 -c 'import numpy, tritonclient.http'" python3 "$examples/python_tritonclient.py"
for package in . ./safetensors ./oip; do
  example "Go, $package" 'command -v go' run_go "$package"
done
for script in fetch safetensors oip; do
  example "JavaScript, $script" "node -e 'fetch'" node "$examples/$script.mjs"
done
for name in libcurl safetensors oip; do
  example "C, $name" 'command -v cc && test -e /usr/include/cjson/cJSON.h' run_c "$name"
done
judge=check_documents
example 'Python, documents' 'command -v python3' python3 "$examples/documents.py"
judge=check_policy
example 'Python, policy_gradient' 'python3 -c "import torch"' python3 "$examples/policy_gradient.py"
judge=check_distillation
example 'Python, distillation' 'command -v python3' python3 "$examples/distillation.py"
judge=check_regression
example 'Python, regression' 'command -v python3' python3 "$examples/regression.py"
alone shards
alone quantisation
exit $((failed > 0))
