// Top-k and top-p as an edge in the order "largest logit first, lower id on ties": tokens up to the edge are
// kept. A search with fifteen probes at a time over the cached row finds the edge, without sorting or
// atomics, and with sums in a fixed order.
#pragma once
#include "sample_row.cuh"

constexpr int kProbes = 15;

// Maps floats to unsigned integers that sort from the largest float to the smallest. -0 counts as 0. For
// bfloat16, 16 bits suffice.
__device__ __forceinline__ unsigned descending(float value) {
  const unsigned bits = __float_as_uint(value + 0.0f);
  const unsigned key = bits & 0x80000000u ? bits : ~bits & 0x7fffffffu;
  return ROLLOUT_BF16 ? key >> 16 : key;
}

__device__ __forceinline__ float from_descending(unsigned key) {
  if (ROLLOUT_BF16) key = key << 16 | (key & 0x8000u ? 0 : 0xffffu);
  return __uint_as_float(key & 0x80000000u ? key : ~key & 0x7fffffffu);
}

// Larger than every number's key.
constexpr unsigned kNoKey = ROLLOUT_BF16 ? 0x10000u : 0xffffffffu;

struct Edge {
  unsigned key;  // tokens with a smaller key are kept,
  int last;      // and those with this key and an id up to this
  int ties;      // kept tokens with this key

  __device__ __forceinline__ bool keeps(unsigned token_key, int token) const {
    return token_key < key || (token_key == key && token <= last);
  }
};

// The weight of a logit: exp((logit - top) / temperature), where top is the row's largest logit.
struct Weight {
  float temperature;
  float largest;  // top / temperature

  __device__ __forceinline__ float of(float logit) const { return expf(logit / temperature - largest); }
};

// Returns the smallest key up to which the row's tokens count (kMass false) or weigh (true) at least wanted.
// before is the count or weight of the tokens with smaller keys.
template <bool kMass>
__device__ __noinline__ unsigned find_key(const Row row, const Weight weight, float top, double wanted,
                                          double& before) {
  unsigned low = descending(top) - 1, high = kNoKey;  // keys up to low don't suffice, keys up to high do
  before = 0;
  for (bool first_pass = true; high - low > 1; first_pass = false) {
    const unsigned step = max(1u, (high - low) / (kProbes + 1));
    unsigned probe[kProbes];
#pragma unroll
    for (int p = 0; p < kProbes; p++) {
      // The edge is usually near the largest logit, so the first probes are there.
      const unsigned near = descending(top - 0.05f * (1 << p / 2) * (2 + p % 2) * weight.temperature);
      probe[p] = min(high - 1, max(low, first_pass ? near : low + step * (p + 1)));
    }
    float part[kProbes] = {};
    row.each([&](int, const float(&run)[kRun]) {
      float most = run[0], least = run[0];
#pragma unroll
      for (int i = 1; i < kRun; i++) {
        most = fmaxf(most, run[i]);
        least = fminf(least, run[i]);
      }
      if (descending(most) > probe[kProbes - 1] || descending(least) <= low) return;
#pragma unroll
      for (int i = 0; i < kRun; i++) {
        const unsigned key = descending(run[i]);
        if (key <= low || key > probe[kProbes - 1]) continue;
        const float amount = kMass ? weight.of(run[i]) : 1.0f;
#pragma unroll
        for (int p = 0; p < kProbes; p++) part[p] += key <= probe[p] ? amount : 0.0f;
      }
    });
    double parts[kProbes];
#pragma unroll
    for (int p = 0; p < kProbes; p++) parts[p] = part[p];
    block_sums(parts);
    const double base = before;
#pragma unroll
    for (int p = 0; p < kProbes; p++) {
      if (base + parts[p] >= wanted) {
        high = min(high, probe[p]);
      } else if (probe[p] > low) {
        low = probe[p];
        before = base + parts[p];
      }
    }
  }
  return high;
}

// Limits ties to the number of tokens with the edge's key, and sets last to the id of the last kept one.
__device__ __noinline__ void keep_ties(const Row row, double wanted, Edge& edge) {
  constexpr int kRunsOfChunk = 64;  // ties are counted in chunks of consecutive ids
  constexpr int kChunks = 1024;
  __shared__ int counts[kChunks];
  const int chunk_tokens =
      max(kRun * kRunsOfChunk, (row.vocabulary + kChunks - 1) / kChunks / kRun * kRun + kRun);
  __syncthreads();
  for (int i = threadIdx.x; i < kChunks; i += kSampleThreads) counts[i] = 0;
  __syncthreads();
  row.each([&](int first, const float(&run)[kRun]) {
    int ties = 0;
#pragma unroll
    for (int i = 0; i < kRun; i++)
      ties += first + i < row.vocabulary && descending(run[i]) == edge.key ? 1 : 0;
    if (ties > 0) atomicAdd(&counts[first / chunk_tokens], ties);
  });
  __syncthreads();

  // Every warp finds the chunk and the last tie in it on its own.
  int total = 0;
  for (int i = threadIdx.x % 32; i < kChunks; i += 32) total += counts[i];
#pragma unroll
  for (int other = 16; other > 0; other /= 2) total += __shfl_xor_sync(0xffffffff, total, other);
  edge.ties = static_cast<int>(fmin(fmax(wanted, 1.0), static_cast<double>(total)));
  if (edge.ties == total) return;
  int left = edge.ties, chunk = 0;
  while (counts[chunk] < left) left -= counts[chunk++];
  for (int first = chunk * chunk_tokens;; first += 32) {
    const int token = first + threadIdx.x % 32;
    unsigned found = __ballot_sync(
        0xffffffff, token < row.vocabulary && descending(to_float(row.logits[token])) == edge.key);
    if (__popc(found) < left) {
      left -= __popc(found);
      continue;
    }
    for (; left > 1; left--) found &= found - 1;
    edge.last = first + __ffs(found) - 1;
    return;
  }
}

// Returns the edge of top-k and then top-p. sum is the weight of all tokens.
__device__ __noinline__ Edge find_edge(const Row row, int top_k, float top_p, float temperature, float top,
                                       double sum) {
  const Weight weight = {temperature, top / temperature};
  Edge edge = {kNoKey, row.vocabulary, 0};
  double before;
  if (top_k > 0 && top_k < row.vocabulary) {
    edge.key = find_key<false>(row, weight, top, top_k, before);
    keep_ties(row, top_k - before, edge);
    if (top_p >= 1) return edge;
    double kept[1] = {0};
    float part = 0;
    row.each([&](int first, const float(&run)[kRun]) {
#pragma unroll
      for (int i = 0; i < kRun; i++)
        part += edge.keeps(descending(run[i]), first + i) ? weight.of(run[i]) : 0.0f;
    });
    kept[0] = part;
    block_sums(kept);
    sum = kept[0];
  }
  edge = {kNoKey, row.vocabulary, 0};
  edge.key = find_key<true>(row, weight, top, top_p * sum, before);
  if (edge.key == kNoKey) return edge;  // by rounding, all tokens are kept
  const double each = weight.of(from_descending(edge.key));
  keep_ties(row, ceil((top_p * sum - before) / fmax(each, 1e-300)), edge);
  return edge;
}
