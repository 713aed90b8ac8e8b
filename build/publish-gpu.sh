#!/bin/sh
# Publishes the host, the GPU tests, the kernels' benchmarks and the chaos harness for a machine with an NVIDIA GPU and no .NET SDK:
# self-contained, without libtorch, which is found there (docs/gpu.md).
# Usage: build/publish-gpu.sh [ARCHIVE], artifacts/rollout-gpu.tar.xz unless named.
set -eu
cd "$(dirname "$0")/.."
archive=${1:-artifacts/rollout-gpu.tar.xz}
folder=artifacts/rollout-gpu
rm -rf "$folder"
mkdir -p "$folder" "$(dirname "$archive")"

publish() {
  # TorchSharpRepair=always: the other machine's C++ runtime may be older than this one's.
  dotnet publish "$1" -c Release -r linux-x64 --self-contained -m:1 -nodeReuse:false -v quiet \
    -p:TorchBackend=system -p:TorchSharpRepair=always -p:DebugType=none \
    -p:ArtifactsPath="$PWD/artifacts/gpu-build" -o "$folder"
}
publish src/Rollout.Host
publish tests/Rollout.Gpu.Tests
publish bench/Rollout.KernelBenchmarks
publish bench/Rollout.Chaos
install -D bench/countdown.sh "$folder/bench/countdown.sh"
rm -f "$folder"/Rollout.*.xml "$folder"/rollout.xml
# What the test SDK brings for code coverage, of every platform and in every language.
for part in alpine arm64 macos ubuntu x64 x86 CodeCoverage cs de es fr it ja ko pl pt-BR ru tr zh-Hans zh-Hant; do
  rm -rf "${folder:?}/$part"
done

tar -C artifacts -I 'xz -T2 -3' -cf "$archive" rollout-gpu
cat <<TEXT
$archive: $(du -h "$archive" | cut -f1)
On a machine with an NVIDIA driver and a CUDA build of PyTorch 2.10 or newer (or LIBTORCH naming a libtorch):
  tar -xf $(basename "$archive") && cd rollout-gpu
  ./Rollout.Gpu.Tests
  ./Rollout.KernelBenchmarks
  ./chaos --seeds 1..3
  ./rollout bench --shape qwen3-0.6b --workload W.jsonl --device cuda --dtype bfloat16
  ./rollout train --config config/arithmetic.conf --set device=cuda
  ROLLOUT=./rollout bench/countdown.sh
docs/gpu.md says more.
TEXT
