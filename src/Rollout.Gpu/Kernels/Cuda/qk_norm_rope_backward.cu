// qk_norm_rope_backward: the gradient of queries, keys and values before norm and rotation.
//   qkv           [tokens, heads + 2 * kv_heads, head_dim] elements: the projection's result
//   norm_weights  [2, head_dim] elements, q_norm and k_norm; null where the model has no norms
//   angles        [tokens, head_dim / 2] float2: cosine and sine
//   query, key, value  dLoss/d of the rotated queries [tokens, heads, head_dim], the rotated keys and the values
//                      [tokens, kv_heads, head_dim], elements
//   result        [tokens, heads + 2 * kv_heads, head_dim] elements, written
//   partial       [gridDim.x, 2, head_dim] float, written: each block's sums of the gradient of the norms' weights
//   has_norm      whether q and k are normed per head
// The rotation's gradient is the rotation back; the norm's is that of rms_norm_backward. One warp for each head of a
// token, heads by turns. Bound by memory. Reference: TrainingKernelTests.
#include "pack.cuh"

constexpr int kHeadDim = ROLLOUT_HEAD_DIM;
constexpr int kHalf = kHeadDim / 2;
constexpr int kHeads = ROLLOUT_HEADS;
constexpr int kKvHeads = ROLLOUT_KV_HEADS;
constexpr int kAllHeads = kHeads + 2 * kKvHeads;
constexpr int kWarps = 8;

// A lane holds numbers 2i and 2i + 1 of both halves, for i = lane, lane + 32, ...
constexpr int kPairs = kHalf / 2;
constexpr int kPerLane = (kPairs + 31) / 32;

struct Half {
  float at[kPerLane][2];
};

__device__ __forceinline__ Half load_half(const Element* from, int lane) {
  Half half = {};
#pragma unroll
  for (int p = 0; p < kPerLane; p++) {
    if (lane + 32 * p >= kPairs) continue;
    const auto pair = load_pack<2>(from, lane + 32 * p);
    half.at[p][0] = to_float(pair.at[0]);
    half.at[p][1] = to_float(pair.at[1]);
  }
  return half;
}

__device__ __forceinline__ void store_half(Element* to, const Half& half, int lane) {
#pragma unroll
  for (int p = 0; p < kPerLane; p++) {
    if (lane + 32 * p >= kPairs) continue;
    store_pack<2>(to, lane + 32 * p, Pack<Element, 2>{{to_element(half.at[p][0]), to_element(half.at[p][1])}});
  }
}

// dLoss/dx of both halves of a head, in place of dLoss/dy; adds dy * round(x * r) to the sums.
__device__ __forceinline__ void norm_backward(const Element* x, const Element* weight, Half (&slope)[2],
                                              Half (&sums)[2], float epsilon, int lane) {
  const Half in[2] = {load_half(x, lane), load_half(x + kHalf, lane)};
  const Half w[2] = {load_half(weight, lane), load_half(weight + kHalf, lane)};
  float squares = 0, products = 0;
#pragma unroll
  for (int k = 0; k < 4 * kPerLane; k++) {
    const int h = k & 1, j = (k >> 1) & 1, p = k >> 2;
    squares += in[h].at[p][j] * in[h].at[p][j];
    products += w[h].at[p][j] * slope[h].at[p][j] * in[h].at[p][j];
  }
  const float scale = rsqrtf(epsilon + warp_sum(squares) * (1.0f / kHeadDim));
  const float pull = warp_sum(products) * (1.0f / kHeadDim) * scale * scale * scale;
#pragma unroll
  for (int k = 0; k < 4 * kPerLane; k++) {
    const int h = k & 1, j = (k >> 1) & 1, p = k >> 2;
    sums[h].at[p][j] += slope[h].at[p][j] * rounded(in[h].at[p][j] * scale);
    slope[h].at[p][j] = scale * w[h].at[p][j] * slope[h].at[p][j] - in[h].at[p][j] * pull;
  }
}

__device__ __forceinline__ void rotate_back(Half (&slope)[2], const float2* angles, int lane) {
#pragma unroll
  for (int p = 0; p < kPerLane; p++) {
    if (lane + 32 * p >= kPairs) continue;
#pragma unroll
    for (int j = 0; j < 2; j++) {
      const float2 angle = angles[2 * (lane + 32 * p) + j];
      const float low = slope[0].at[p][j], high = slope[1].at[p][j];
      slope[0].at[p][j] = low * angle.x + high * angle.y;
      slope[1].at[p][j] = high * angle.x - low * angle.y;
    }
  }
}

extern "C" __global__ void __launch_bounds__(32 * kWarps)
    qk_norm_rope_backward(const Element* __restrict__ qkv, const Element* __restrict__ norm_weights,
                          const float2* __restrict__ angles, const Element* __restrict__ query,
                          const Element* __restrict__ key, const Element* __restrict__ value,
                          Element* __restrict__ result, float* __restrict__ partial, int tokens, float epsilon,
                          int has_norm) {
  __shared__ float of_warp[kWarps][2 * kHeadDim];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  Half query_sums[2] = {}, key_sums[2] = {};
  const long long all = static_cast<long long>(tokens) * kAllHeads;
  for (long long item = blockIdx.x * kWarps + warp; item < all; item += gridDim.x * kWarps) {
    const long long token = item / kAllHeads;
    const int head = static_cast<int>(item % kAllHeads);
    const int kv_head = head - kHeads - (head >= kHeads + kKvHeads ? kKvHeads : 0);
    const Element* from = head < kHeads ? query + (token * kHeads + head) * kHeadDim
                                        : (head < kHeads + kKvHeads ? key : value)
                                              + (token * kKvHeads + kv_head) * kHeadDim;
    Half slope[2] = {load_half(from, lane), load_half(from + kHalf, lane)};
    if (head < kHeads + kKvHeads) {
      rotate_back(slope, angles + token * kHalf, lane);
      if (has_norm) {
        const Element* x = qkv + item * kHeadDim;
        if (head < kHeads) {
          norm_backward(x, norm_weights, slope, query_sums, epsilon, lane);
        } else {
          norm_backward(x, norm_weights + kHeadDim, slope, key_sums, epsilon, lane);
        }
      }
    }
    store_half(result + item * kHeadDim, slope[0], lane);
    store_half(result + item * kHeadDim + kHalf, slope[1], lane);
  }
  if (!has_norm) return;
#pragma unroll
  for (int p = 0; p < kPerLane; p++) {
    if (lane + 32 * p >= kPairs) continue;
#pragma unroll
    for (int k = 0; k < 4; k++) {
      const int at = (k & 1) * kHalf + 2 * (lane + 32 * p) + (k >> 1);
      of_warp[warp][at] = query_sums[k & 1].at[p][k >> 1];
      of_warp[warp][kHeadDim + at] = key_sums[k & 1].at[p][k >> 1];
    }
  }
  __syncthreads();
  for (int i = threadIdx.x; i < 2 * kHeadDim; i += blockDim.x) {
    float sum = 0;
    for (int w = 0; w < kWarps; w++) sum += of_warp[w][i];
    partial[static_cast<long long>(blockIdx.x) * 2 * kHeadDim + i] = sum;
  }
}
