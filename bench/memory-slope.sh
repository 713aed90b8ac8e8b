#!/bin/sh
# Trains config/smoke.conf for STEPS steps and prints how fast the process's resident memory grows, native memory included:
# the slope of a least-squares line through samples of VmRSS, in KiB a step. The first half of the steps is warm-up: the
# runtime compiles what runs often again, and libtorch fills its pools, for about 1,000 steps.
# Usage: bench/memory-slope.sh [STEPS], 3000 unless given. The host must be built: dotnet build -c Release src/Rollout.Host
set -eu
cd "$(dirname "$0")/.."
steps=${1:-3000}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
dotnet artifacts/bin/Rollout.Host/release/rollout.dll train --config config/smoke.conf --out "$folder/run" \
  --set train.steps="$steps" --set eval.every=50 --set output.checkpoint-every=50 --set output.keep-last=2 \
  --set threads=1 > "$folder/said" 2>&1 &
process=$!
while kill -0 "$process" 2>/dev/null; do
  done_steps=$(cat "$folder/run/metrics.jsonl" 2>/dev/null | wc -l)
  resident=$(awk '/^VmRSS/ { print $2 }' "/proc/$process/status" 2>/dev/null || true)
  [ -z "$resident" ] || echo "$done_steps $resident" >> "$folder/samples"
  sleep 0.1
done
wait "$process" || { cat "$folder/said"; exit 1; }
awk -v steps="$steps" '
  $1 >= steps / 2 { n++; x += $1; y += $2; xx += $1 * $1; xy += $1 * $2; if ($2 > most) most = $2 }
  END {
    if (n < 3) { print "too few samples"; exit 1 }
    printf "%d steps, %d samples of the second half: %.2f KiB a step, mean %.0f KiB, most %.0f KiB\n",
      steps, n, (n * xy - x * y) / (n * xx - x * x), y / n, most
  }' "$folder/samples"
