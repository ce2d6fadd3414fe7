#!/bin/sh
# Is a quantised model still the model? Compares its logits with those of its base, row by row, for CI: ends with
# status 3 where the mean divergence is above BOUND (0.02).
#
#   sh quantisation.sh BASE CANDIDATE    two files of safetensors, each with its logits, and targets in either
#   sh quantisation.sh                   logits made up for the purpose: F16, and what F8_E5M2 leaves of it
set -eu
lossd=${LOSSD:-lossd}
bound=${BOUND:-0.02}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# 200 rows of 16 classes: most logits from 0.125 to 4, most targets' at 12 and more. F8_E5M2 is the first byte of F16.
write() { # dtype, bytes a number
  header='{"targets":{"dtype":"U8","shape":[200],"data_offsets":[0,200]},"logits":{"dtype":"'$1'","shape":[200,16],'
  header=$header'"data_offsets":[200,'$((200 + 3200 * $2))']}}'
  while [ $((${#header} % 8)) -ne 0 ]; do header="$header "; done
  printf '%b' "\\0$(printf '%o' ${#header})\\0\\0\\0\\0\\0\\0\\0$header"
  printf '%b' "$(awk -v bytes="$2" 'BEGIN {
    for (row = 0; row < 200; row++) printf "\\0%o", row * 7 % 16
    for (i = 0; i < 3200; i++) {
      row = int(i / 16)
      seed = (seed * 137 + 187) % 65536
      first = i % 16 == row * 7 % 16 && row % 9 ? 74 : 48 + (i * 37 + row * 11 + seed) % 20
      if (bytes == 2) printf "\\0%o", int(seed / 256)
      printf "\\0%o", first
    }
  }')"
}

if [ $# -lt 2 ]; then
  write F16 2 >"$folder/base"
  write F8_E5M2 1 >"$folder/candidate"
  set -- "$folder/base" "$folder/candidate"
fi

status=0
"$lossd" eval --loss divergence "$1" "$2" --fail-above "$bound" \
  --outputs loss,agreement,loss_quantiles,delta_prob >"$folder/reply" || status=$?
[ "$status" -eq 0 ] || [ "$status" -eq 3 ] || exit "$status"

# A line for each output: its name, and its numbers with commas between.
sed 's/,"totals".*//; s/,"/;/g; s/[]{}"[]//g' "$folder/reply" | tr ';:' '\n ' | awk -v bound="$bound" '
  $1 == "loss" { printf "mean KLD %.6f, to be at most %s\n", $2, bound }
  $1 == "agreement" { printf "same top %.2f %%\n", 100 * $2 }
  $1 == "loss_quantiles" {
    n = split("minimum 0.1% 1% 5% 10% median 90% 95% 99% 99.9% maximum", name, " ")
    split($2, value, ",")
    for (i = 1; i <= n; i++) printf "%s KLD %.6f\n", name[i], value[i]
  }
  $1 == "delta_prob" {
    n = split($2, value, ",")
    for (i = 1; i <= n; i++) { sum += value[i]; squares += value[i] ^ 2 }
    printf "mean delta p %.3f %%, RMS %.3f %%\n", 100 * sum / n, 100 * sqrt(squares / n)
  }'
exit "$status"
