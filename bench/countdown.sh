#!/bin/sh
# The yardstick of algorithms (docs/countdown.md): pretrains config/countdown.conf once, trains it with each recipe and seed,
# and prints a table in Markdown. A model or a run that is there already is not made again; a run that was killed continues.
# Usage: bench/countdown.sh [FOLDER [--set key=value]…], runs/countdown unless given. The settings are those of every command.
# Environment: RECIPES ("grpo dapo gspo cispo rloo"), SEEDS ("1 2 3"), ROLLOUT, the program: the build of
# dotnet build -c Release src/Rollout.Host unless given.
set -eu
cd "$(dirname "$0")/.."
rollout=${ROLLOUT:-dotnet artifacts/bin/Rollout.Host/release/rollout.dll}
recipes=${RECIPES:-grpo dapo gspo cispo rloo}
seeds=${SEEDS:-1 2 3}
folder=${1:-runs/countdown}
[ $# -eq 0 ] || shift
job=config/countdown.conf
mkdir -p "$folder"

[ -d "$folder/model" ] || $rollout pretrain --config $job --out "$folder/model" "$@" >&2

# train RUN [--set key=value]…
train() {
  run=$1
  shift
  if ls -d "$run"/checkpoints/step-* > /dev/null 2>&1; then
    $rollout train --resume "$run" >&2
  else
    rm -rf "$run"
    $rollout train --config $job --set model.path="$folder/model" "$@" --out "$run" >&2
  fi
  touch "$run/finished"
}

# dapo has its parts outside of the loss, too: dynamic sampling and the punishment of long completions.
dapo_rewards='rewards=[{ type = countdown }, { type = format, weight = 0.1, pattern = "<answer>[-+*/() 0-9]+</answer>\\s*$" },
  { type = overlong, weight = 0.1, cache = 64 }]'
for recipe in $recipes; do
  for seed in $seeds; do
    run=$folder/$recipe-$seed
    [ ! -e "$run/finished" ] || continue
    if [ "$recipe" = dapo ]; then
      train "$run" --set seed="$seed" --set train.loss-type=dapo --set train.dynamic-sampling=on \
        --set train.dynamic-sampling-metric=countdown --set "$dapo_rewards" "$@"
    else
      train "$run" --set seed="$seed" --set train.loss-type="$recipe" "$@"
    fi
  done
done

# The numbers of a metric, one a line.
metric() { sed -n "s/.*\"$2\": *\([-+.0-9eE]*\).*/\1/p" "$1/metrics.jsonl"; }
echo '| recipe | seed | accuracy before | accuracy after | gain in points | seconds of training |'
echo '|---|---|---|---|---|---|'
for recipe in $recipes; do
  for seed in $seeds; do
    run=$folder/$recipe-$seed
    echo "$recipe $seed $(metric "$run" eval_accuracy | head -n 1) $(metric "$run" eval_accuracy | tail -n 1)" \
      "$(metric "$run" step_time | awk '{ total += $1 } END { print total }')"
  done
done | awk '
  function row(name, seed, before, after, seconds) {
    printf "| %s | %s | %.1f %% | %.1f %% | %+.1f | %.0f |\n", name, seed, 100 * before, 100 * after, 100 * (after - before), seconds
  }
  function mean() { if (n > 1) row(name, "mean", before / n, after / n, seconds / n) }
  $1 != name { mean(); name = $1; n = before = after = seconds = 0 }
  { row($1, $2, $3, $4, $5); n++; before += $3; after += $4; seconds += $5 }
  END { mean() }'
