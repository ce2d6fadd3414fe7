#!/usr/bin/env bash
# What promtool says of the server's page and of what config/ and docker/ have for Prometheus. Output: TAP.
# shellcheck disable=SC2317  # functions are called by name
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
lossd=${LOSSD:-${BUILD:-build}/lossd}
# shellcheck source=tests/support/server.sh
. tests/support/server.sh

# Warnings are failures: they are about names and units.
the_page_is_as_prometheus_wants_it() {
  start_server || return 1
  curl -sf "http://$address/v1/losses/cross_entropy" -H 'Content-Type: application/json' \
    -d '{"logits": [[0, 0]], "targets": [0]}' && curl -sf "http://$address/metrics" >"$scratch/page" || return 1
  grep -q '^lossd_compute_duration_seconds_count' "$scratch/page" && promtool check metrics <"$scratch/page" &&
    ! promtool check metrics <"$scratch/page" 2>&1 | grep .
}

the_rules_are_well_formed() {
  promtool check rules config/alerts.yml config/rules.yml
}

# Where docker/compose.yml puts them.
the_configuration_finds_its_rules() {
  mkdir "$scratch/etc"
  local volume files=0
  while read -r volume; do
    cp "docker/${volume%%:*}" "$scratch/etc/" || return 1
    files=$((files + 1))
  done < <(sed -n 's/^ *- \(.*:\/etc\/prometheus\/.*\):ro$/\1/p' docker/compose.yml)
  [ "$files" -eq 3 ] && promtool check config "$scratch/etc/prometheus.yml"
}

alerts_fire_when_they_should() {
  mkdir "$scratch/rules"
  cp config/alerts.yml config/rules.yml tests/prometheus/rules_test.yml "$scratch/rules" &&
    promtool test rules "$scratch/rules/rules_test.yml"
}

# With some labels and a sentence expected of it, not only silence.
every_rule_is_tested() {
  local name missing=0
  while read -r name; do
    grep -A 1 "^ *alertname: $name$" tests/prometheus/rules_test.yml | grep -q 'exp_alerts:$' ||
      { echo "no test sees $name fire"; missing=1; }
  done < <(sed -n 's/^ *- alert: //p' config/alerts.yml)
  while read -r name; do
    grep -q "expr: $name" tests/prometheus/rules_test.yml || { echo "no test computes $name"; missing=1; }
  done < <(sed -n 's/^ *- record: //p' config/rules.yml)
  return "$missing"
}

tests='the_page_is_as_prometheus_wants_it the_rules_are_well_formed the_configuration_finds_its_rules
alerts_fire_when_they_should every_rule_is_tested'
count=0 failed=0
echo "1..$(wc -w <<<"$tests")"
for test in $tests; do
  count=$((count + 1))
  if ! command -v promtool >/dev/null; then
    echo "ok $count - $test # SKIP there is no promtool here (.ci/packages prometheus)"
  elif "$test" >"$scratch/said" 2>&1; then
    echo "ok $count - $test"
  else
    echo "not ok $count - $test"
    sed 's/^/# /' "$scratch/said"
    failed=1
  fi
done
exit $failed
