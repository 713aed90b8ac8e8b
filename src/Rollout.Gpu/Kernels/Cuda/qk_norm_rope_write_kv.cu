// qk_norm_rope_write_kv: norms and rotates queries and keys, and writes keys and values into the cache.
//   qkv           [tokens, heads + 2 * kv_heads, head_dim] elements: query heads, key heads, value heads
//   norm_weights  [2, head_dim] elements, q_norm and k_norm; null where the model has no norms
//   angles        [tokens, head_dim / 2] float2: cosine and sine (prepare_step)
//   slots         [tokens] int32, block * block_size + offset; -1 writes no key and value
//   query         [tokens, heads, head_dim] elements, written
//   keys, values  one layer's [blocks, kv_heads, block_size, head_dim] elements, written by slot
//   has_norm      whether q and k are normed per head (Qwen3)
// Norm: x / sqrt(mean(x^2) + epsilon), rounded, times weight, rounded. Rotation in the half-split layout:
// with (x1, x2) a head's halves, (x1 cos - x2 sin, x2 cos + x1 sin). The product with the cosine is rounded
// before the sum, as in Models/RotaryEmbedding. One warp for each head of a token; thread blocks (tokens,
// (heads + 2 * kv_heads) / 4). Bound by memory. Reference: QkNormRopeTests.
#include "common.cuh"

constexpr int kHeadDim = ROLLOUT_HEAD_DIM;
constexpr int kHalf = kHeadDim / 2;
constexpr int kHeads = ROLLOUT_HEADS;
constexpr int kKvHeads = ROLLOUT_KV_HEADS;
constexpr int kBlockSize = ROLLOUT_BLOCK_SIZE;
constexpr int kWarps = 4;

// A lane holds numbers 2i and 2i + 1 of both halves, for i = lane, lane + 32, ...
constexpr int kPairs = kHalf / 2;
constexpr int kPerLane = (kPairs + 31) / 32;

struct __align__(2 * sizeof(Element)) Two {
  Element at[2];
};

__device__ __forceinline__ void load(const Element* from, int i, float* to) {
  const Two pair = reinterpret_cast<const Two*>(from)[i];
  to[0] = to_float(pair.at[0]);
  to[1] = to_float(pair.at[1]);
}

__device__ __forceinline__ void store(Element* to, int i, const float* from) {
  reinterpret_cast<Two*>(to)[i] = Two{{to_element(from[0]), to_element(from[1])}};
}

__device__ __forceinline__ void normalize(float (&low)[kPerLane][2], float (&high)[kPerLane][2],
                                          const Element* weight, float epsilon, int lane) {
  float squares = 0;
#pragma unroll
  for (int p = 0; p < kPerLane; p++) {
    squares += low[p][0] * low[p][0] + low[p][1] * low[p][1];
    squares += high[p][0] * high[p][0] + high[p][1] * high[p][1];
  }
  const float scale = rsqrtf(epsilon + warp_sum(squares) * (1.0f / kHeadDim));
#pragma unroll
  for (int p = 0; p < kPerLane; p++) {
    const int i = lane + 32 * p;
    if (i >= kPairs) continue;
    float w[2][2];
    load(weight, i, w[0]);
    load(weight + kHalf, i, w[1]);
#pragma unroll
    for (int j = 0; j < 2; j++) {
      low[p][j] = rounded(rounded(low[p][j] * scale) * w[0][j]);
      high[p][j] = rounded(rounded(high[p][j] * scale) * w[1][j]);
    }
  }
}

extern "C" __global__ void __launch_bounds__(32 * kWarps)
    qk_norm_rope_write_kv(const Element* __restrict__ qkv, const Element* __restrict__ norm_weights,
                          const float2* __restrict__ angles, const int* __restrict__ slots,
                          Element* __restrict__ query, Element* __restrict__ keys,
                          Element* __restrict__ values, float epsilon, int has_norm) {
  const int head = blockIdx.y * kWarps + threadIdx.x / 32;
  if (head >= kHeads + 2 * kKvHeads) return;
  const long long token = blockIdx.x;
  const int lane = threadIdx.x % 32;
  const int slot = slots[token];
  if (slot < 0 && head >= kHeads) return;

  const Element* from = qkv + (token * (kHeads + 2 * kKvHeads) + head) * kHeadDim;
  float low[kPerLane][2] = {}, high[kPerLane][2] = {};
#pragma unroll
  for (int p = 0; p < kPerLane; p++) {
    const int i = lane + 32 * p;
    if (i >= kPairs) continue;
    load(from, i, low[p]);
    load(from + kHalf, i, high[p]);
  }

  const bool is_query = head < kHeads;
  const bool is_value = head >= kHeads + kKvHeads;
  if (!is_value) {
    if (has_norm) normalize(low, high, norm_weights + (is_query ? 0 : kHeadDim), epsilon, lane);
#pragma unroll
    for (int p = 0; p < kPerLane; p++) {
      const int i = lane + 32 * p;
      if (i >= kPairs) continue;
#pragma unroll
      for (int j = 0; j < 2; j++) {
        const float2 angle = angles[token * kHalf + 2 * i + j];
        const float x1 = low[p][j], x2 = high[p][j];
        low[p][j] = rounded(x1 * angle.x) - x2 * angle.y;
        high[p][j] = rounded(x2 * angle.x) + x1 * angle.y;
      }
    }
  }

  Element* to;
  if (is_query) {
    to = query + (token * kHeads + head) * kHeadDim;
  } else {
    const int kv_head = head - kHeads - (is_value ? kKvHeads : 0);
    const long long block = slot / kBlockSize;
    const long long row = (block * kKvHeads + kv_head) * kBlockSize + slot % kBlockSize;
    to = (is_value ? values : keys) + row * kHeadDim;
  }
#pragma unroll
  for (int p = 0; p < kPerLane; p++) {
    const int i = lane + 32 * p;
    if (i >= kPairs) continue;
    store(to, i, low[p]);
    store(to + kHalf, i, high[p]);
  }
}
