// merge_shared: one softmax over two disjoint sets of keys, in place of the first: a token's own sequence, and the
// prompt that its group shares.
//   out, lse                [tokens, heads, head_dim] elements and [heads, tokens] float, natural logarithm; updated
//   shared_out, shared_lse  the same of the shared keys; a token without any has an lse of +inf, and keeps its own
// One warp for each head of a token; thread blocks (tokens, heads / 4). Bound by memory. Reference:
// KernelCompletionPassTests.
#include "pack.cuh"

constexpr int kHeadDim = ROLLOUT_HEAD_DIM;
constexpr int kHeads = ROLLOUT_HEADS;
constexpr int kWarps = 4;

extern "C" __global__ void __launch_bounds__(32 * kWarps)
    merge_shared(Element* __restrict__ out, float* __restrict__ lse, const Element* __restrict__ shared_out,
                 const float* __restrict__ shared_lse, int tokens) {
  const int head = blockIdx.y * kWarps + threadIdx.x / 32;
  if (head >= kHeads) return;
  const long long token = blockIdx.x;
  const long long at = head * static_cast<long long>(tokens) + token;
  const float own = lse[at], other = shared_lse[at];
  if (other == infinity()) return;
  const float most = fmaxf(own, other);
  const float own_weight = expf(own - most), other_weight = expf(other - most);
  const float sum = own_weight + other_weight;
  const long long row = (token * kHeads + head) * (kHeadDim / 2);
  for (int i = threadIdx.x % 32; i < kHeadDim / 2; i += 32) {
    auto left = load_pack<2>(out, row + i);
    const auto right = load_pack<2>(shared_out, row + i);
#pragma unroll
    for (int j = 0; j < 2; j++) {
      left.at[j] = to_element((own_weight * to_float(left.at[j]) + other_weight * to_float(right.at[j])) / sum);
    }
    store_pack<2>(out, row + i, left);
  }
  __syncwarp();
  if (threadIdx.x % 32 == 0) lse[at] = most + logf(sum);
}
