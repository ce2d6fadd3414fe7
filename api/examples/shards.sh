#!/bin/sh
# A data set in 50 parts, evaluated at the same time and merged: the bits of the whole. sh shards.sh
set -eu
lossd=${LOSSD:-lossd}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# 1,000 rows of 5 classes, some of them ignored; and the same rows cut into 50 parts of different sizes.
awk -v folder="$folder" '
  function put(file, first, last,   r, logits, targets) {
    for (r = first; r < last; r++) {
      logits = logits (r > first ? "," : "") row[r]
      targets = targets (r > first ? "," : "") target[r]
    }
    printf "{\"logits\": [%s], \"targets\": [%s]}\n", logits, targets >(folder "/" file)
    close(folder "/" file)
  }
  function first(part) { return part + int(part * part * 0.38) }
  BEGIN {
    srand(1)
    for (r = 0; r < 1000; r++) {
      row[r] = "[" rand() * 20 - 10
      for (c = 1; c < 5; c++) row[r] = row[r] "," rand() * 20 - 10
      row[r] = row[r] "]"
      target[r] = r % 9 ? int(rand() * 5) : -100
    }
    put("whole.json", 0, 1000)
    for (k = 0; k < 50; k++)
      put("part" k ".json", first(k), first(k + 1))
  }'

# Four at a time, in whatever order they end. On other machines it would be the same bits.
# shellcheck disable=SC2016  # the shells that xargs starts expand them
find "$folder" -name 'part*.json' -print0 |
  xargs -0 -P 4 -I FILE sh -c '"$1" eval "$2" --totals exact --outputs loss,ece >"$2.reply"' - "$lossd" FILE
"$lossd" merge "$folder"/part*.reply >"$folder/merged"

# What the whole comes to at once, by the same command so that the two can be compared as text.
"$lossd" eval "$folder/whole.json" --totals exact --outputs loss,ece | "$lossd" merge - >"$folder/once"

sed 's/,"totals".*//; s/[{"]//g; s/:/ /g' "$folder/merged" | tr ',' '\n'
if cmp -s "$folder/merged" "$folder/once"; then
  echo 'the same bits as the whole'
else
  echo 'not the bits of the whole'
  exit 1
fi
