# shellcheck shell=bash
# What the tests of this folder share. Each is a script of steps that need one another: when one fails or can not be
# made, those after it are not either. Output: TAP.
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
mkdir -p "${BUILD:=build}/clients"
BUILD=$(cd "$BUILD" && pwd)
here=$PWD/tests/clients
clients=$BUILD/clients

# What every client is asked for, in the words of its program (PROGRAM URL QUESTION), and what it must answer.
questions=(
	"evaluation|1.3447266 -0.73938906 0.30308965 0.4362994"
	"typed|1.3447266007601868 1"
	"error|422 shape_mismatch targets"
	"live|true"
)

count=0
tell() { # ok|"not ok" name
	count=$((count + 1))
	echo "$1 $count - $2"
}

skip_all() { # why
	echo "1..1"
	echo "ok 1 - all of it # SKIP $1"
	exit 0
}

need() { # program...
	local program
	for program in "$@"; do
		command -v "$program" >/dev/null || skip_all "there is no $program here"
	done
}

# Makes $work, with the files of this folder's that are given.
begin() { # name file...
	work=$clients/$1
	local name=$1 file
	shift
	mkdir -p "$work"
	for file in "$@"; do cp "$here/$name/$file" "$work/"; done
	[ -x "$BUILD/lossd" ] || { tell "not ok" "$BUILD/lossd is built"; exit 1; }
}

# A command that fetches what is not the project's; without it there is nothing to test.
fetch() { # command...
	"$@" >"$work/install.log" 2>&1 </dev/null || skip_all "not to be had: $(grep -v '^ *$' "$work/install.log" | tail -n 1 | tr -d '#')"
}

# A command that must succeed.
must() { # name command...
	local name=$1
	shift
	if "$@" >"$work/step.log" 2>&1 </dev/null; then
		tell ok "$name"
	else
		tell "not ok" "$name"
		sed 's/^/# /' "$work/step.log"
		echo "1..$count"
		exit 1
	fi
}

# Starts the server, and leaves its /openapi.json in $work. It ends with this script.
serve() {
	local line
	exec 3< <(exec "$BUILD/lossd" --listen 127.0.0.1:0 2>&1)
	server=$!
	trap 'kill "$server"' EXIT
	while read -r -t 60 line <&3; do
		case $line in *"ready on http://"*) break ;; esac
	done
	url=http://${line##*http://}
	must "the server serves its contract as JSON" curl -sSf -o "$work/openapi.json" "$url/openapi.json"
}

# Asks a program all the questions.
ask() { # program...
	local question expected found
	for question in "${questions[@]}"; do
		expected=${question#*|}
		found=$("$@" "$url" "${question%%|*}" 2>&1 </dev/null)
		if [ "$found" = "$expected" ]; then
			tell ok "${question%%|*}"
		else
			tell "not ok" "${question%%|*}"
			printf 'found: %s\nexpected: %s\n' "$found" "$expected" | sed 's/^/# /'
			failed=1
		fi
	done
	echo "1..$count"
	exit "${failed:-0}"
}
