#!/usr/bin/env bash
# The results that the project promises (tests/isa/golden), from the kernels of every instruction set that the processor
# has. LOSSD_ISA names a single one; with EMULATE=1 those that the processor lacks are run by EMULATOR, which takes about
# a minute each.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

hashes=${BUILD:-build}/tests/isa/hashes
read -ra emulator <<<"${EMULATOR:-qemu-$(uname -m) -cpu max}"
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
n=0 failed=0

result() { # status name
	n=$((n + 1))
	[ "$1" -eq 0 ] || { failed=1; cat "$log"; }
	echo "$([ "$1" -eq 0 ] || echo "not ")ok $n - $2"
}

skip() { # name reason
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}

has() { # isa program...
	"${@:2}" list 2>/dev/null | grep -qx "$1"
}

check() { # isa
	if has "$1" "$hashes"; then
		tests/isa/golden check "$1" "$hashes" >"$log" 2>&1
		result $? "$1"
	elif [ -z "${EMULATE:-}" ]; then
		skip "$1" "this processor does not have it"
	elif ! command -v "${emulator[0]}" >/dev/null; then
		skip "$1" "this processor does not have it, and there is no ${emulator[0]} here"
	elif has "$1" "${emulator[@]}" "$hashes"; then
		tests/isa/golden check "$1" "${emulator[@]}" "$hashes" >"$log" 2>&1
		result $? "$1, emulated"
	else
		skip "$1" "neither this processor nor ${emulator[0]} has it"
	fi
}

isas=${LOSSD_ISA:-$("$hashes" built)}
echo "1..$(($(wc -w <<<"$isas") + 1))"
"$hashes" uncovered >"$log"
result $? "families have all tensors, arguments and outputs of all losses"
for isa in $isas; do check "$isa"; done
exit "$failed"
