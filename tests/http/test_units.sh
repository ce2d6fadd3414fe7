#!/usr/bin/env bash
# The units of config/ as systemd reads them, and what they call as the program knows it. Output: TAP.
# shellcheck disable=SC2317  # functions are called by name, by trap
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
lossd=$(cd "${BUILD:-build}" && pwd)/lossd || exit 1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The units with what is in comments, where $1 says so, and the program and settings that are here.
copy_units() { # commented|plain
  local strip='s/a/a/'
  [ "$1" = plain ] || strip='s/^#\([A-Z][A-Za-z]*=\)/\1/'
  for unit in config/lossd.service config/lossd.socket; do
    sed -e "$strip" -e "s|/usr/local/bin/lossd|$lossd|" -e "s|/etc/lossd/lossd.json|$PWD/config/lossd.json|" \
      -e "s|=\([a-z.]*\):/etc/lossd/[a-z.]*|=\1:$PWD/config/lossd.json|" "$unit" >"$scratch/${unit##*/}"
  done
}

verify() { # commented|plain
  copy_units "$1"
  systemd-analyze verify --man=no "$scratch/lossd.service" "$scratch/lossd.socket" >"$scratch/said" 2>&1
  local status=$?
  # It reads the machine's own units too; what it says of them is not ours.
  if [ "$status" -ne 0 ] || grep -q 'lossd' "$scratch/said"; then
    sed 's/^/# /' "$scratch/said"
    return 1
  fi
}

plain_units_are_right() { verify plain; }
units_with_all_that_is_in_comments_are_right() { verify commented; }

# In tenths, 0 to 100: what systemd thinks of how little a service can do to the machine.
it_is_well_locked_up() {
  copy_units plain
  systemd-analyze security --offline=true --threshold=20 "$scratch/lossd.service" >"$scratch/said" 2>&1 ||
    { tail -n 3 "$scratch/said" | sed 's/^/# /'; return 1; }
}

# --check-config reads it.
make_certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$scratch/k" -out "$scratch/c" -days 1 \
    -subj /CN=localhost 2>"$scratch/said" || { sed 's/^/# /' "$scratch/said"; return 1; }
}

# Variables that are named are settings, and where to listen is said as it must be.
what_they_set_is_a_setting() {
  local name value flag n=0
  while IFS="=" read -r name value; do
    n=$((n + 1))
    flag=${name#LOSSD_}
    flag=${flag,,}
    "$lossd" --help | grep -q -- "^  --${flag//_/-} " || { echo "# $name is no setting"; return 1; }
    [ "$name" = LOSSD_LISTEN ] || continue
    [[ $value != *tls:* ]] || { make_certificate && value="$value --tls-certificate=$scratch/c --tls-key=$scratch/k"; } || return 1
    # shellcheck disable=SC2086  # words apart
    "$lossd" --check-config --listen $value >"$scratch/said" 2>&1 || { sed 's/^/# /' "$scratch/said"; return 1; }
  done < <(grep -ho 'LOSSD_[A-Z_]*=[^ ]*' config/lossd.service config/lossd.socket | sed 's/\\n.*//; s/[.,]*$//')
  [ "$n" -ge 9 ] || { echo "# only $n were found"; return 1; }
}

tests=(plain_units_are_right units_with_all_that_is_in_comments_are_right it_is_well_locked_up)
echo "1..$((${#tests[@]} + 1))"
failed=0 number=0
report() { # function
  number=$((number + 1))
  if "$1"; then echo "ok $number $1"; else echo "not ok $number $1"; failed=1; fi
}
for test in "${tests[@]}"; do
  if command -v systemd-analyze >/dev/null; then
    report "$test"
  else
    number=$((number + 1))
    echo "ok $number $test # SKIP there is no systemd-analyze here"
  fi
done
report what_they_set_is_a_setting
exit "$failed"
