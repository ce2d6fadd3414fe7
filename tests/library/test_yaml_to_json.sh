#!/usr/bin/env bash
# What turns openapi.yaml into openapi.json (api/yaml_to_json.c), on documents that the contract is not. Output: TAP.
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
: "${BUILD:=build}"
program=$BUILD/gen/yaml_to_json

count=0 failed=0
tell() { # name found expected
	count=$((count + 1))
	if [ "$2" = "$3" ]; then echo "ok $count - $1"; else
		echo "not ok $count - $1"
		printf 'found    %s\nexpected %s\n' "$2" "$3" | sed 's/^/# /'
		failed=$((failed + 1))
	fi
}

becomes() { # name yaml json
	tell "$1" "$(printf '%b\n' "$2" | "$program" 2>&1)" "$3"
}
refuses() { # name yaml error
	tell "$1" "$(printf '%b\n' "$2" | "$program" 2>&1 >/dev/null) $?" "$3 1"
}

becomes "plain scalars have types" \
	'[null, ~, Null, true, False, 0, -1.5e+3, 1.0, 9223372036854775807]' \
	'[null,null,null,true,false,0,-1.5e+3,1.0,9223372036854775807]'
becomes "what is none of them is a string" "[3.1.0, 1-1, nan, Infinity, 100-continue, 1e, '', truE]" \
	'["3.1.0","1-1","nan","Infinity","100-continue","1e","","truE"]'
becomes "what is quoted is a string" "['1', \"true\", 'null', 'yes']" '["1","true","null","yes"]'
becomes "nothing is null" 'a:\nb:' '{"a":null,"b":null}'
becomes "keys are strings" '200: 1' '{"200":1}'
becomes "strings are escaped" 'a: "q\\"\\\\ \\t\\x01 ü"' '{"a":"q\"\\ \u0009\u0001 ü"}'
becomes "texts keep their lines" 'a: |\n  one\n  two\nb: >-\n  one\n  two' '{"a":"one\ntwo\n","b":"one two"}'
becomes "aliases are what they stand for" 'a: &x {b: [1]}\nc: *x' '{"a":{"b":[1]},"c":{"b":[1]}}'
for number in .5 1. +1 010; do
	refuses "$number is refused" "a:\n - $number" \
		"line 2: a number that is none in JSON; write it as JSON does, or quote it"
done
for number in 0x1F 0o17 .inf -.INF .NaN; do
	refuses "$number is refused" "a: $number" "line 1: a number that JSON has no form for; quote it"
done
for word in y NO on Off yes; do
	refuses "$word is refused" "a: $word" \
		"line 1: a boolean to readers of YAML 1.1, a string to those of 1.2; quote it"
done
refuses "a doubled key is refused" 'a: 1\na: 2' "line 2: the mapping has this key already"
refuses "a merge key is refused" '<<: 1' "line 1: a merge key, which YAML 1.2 does not have"
refuses "a key that is a list is refused" '[a]: 1' "line 1: a key that is not a scalar"
refuses "an alias of itself is refused" 'a: &x [*x]' "line 1: nested too deep; an alias inside its own anchor?"
refuses "no document is refused" '' "line 1: there is no document"
refuses "what is no YAML is refused" 'a: [' "line 2: did not find expected node content"
echo "1..$count"
exit $((failed > 0))
