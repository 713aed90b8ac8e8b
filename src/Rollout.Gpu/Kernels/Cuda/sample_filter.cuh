// Top-k and top-p as an edge in the order "largest logit first, lower id on ties": a token is kept up to the
// edge. The edge is found by search, fifteen probes at a time, over the row in cache: no sort, no atomics,
// and sums in a fixed order.
#pragma once
#include "sample_row.cuh"

constexpr int kProbes = 15;

// Unsigned integers in the order from the largest float to the smallest; -0 counts as 0. A bfloat16 has as
// many as 16 bits tell apart.
__device__ __forceinline__ unsigned descending(float value) {
  const unsigned bits = __float_as_uint(value + 0.0f);
  const unsigned key = bits & 0x80000000u ? bits : ~bits & 0x7fffffffu;
  return ROLLOUT_BF16 ? key >> 16 : key;
}

__device__ __forceinline__ float from_descending(unsigned key) {
  if (ROLLOUT_BF16) key = key << 16 | (key & 0x8000u ? 0 : 0xffffu);
  return __uint_as_float(key & 0x80000000u ? key : ~key & 0x7fffffffu);
}

// Above every number's.
constexpr unsigned kNoKey = ROLLOUT_BF16 ? 0x10000u : 0xffffffffu;

struct Edge {
  unsigned key;   // tokens of a smaller key are kept,
  int last;       // and those of this key with an id up to this
  double before;  // weight of tokens of smaller keys
  int ties;       // tokens of this key that are kept

  __device__ __forceinline__ bool keeps(unsigned token_key, int token) const {
    return token_key < key || (token_key == key && token <= last);
  }
};

// Where the tokens up to a key first number (by_mass false) or weigh (true) at least wanted. Weights are
// exp((logit - top) / temperature), top being the largest logit.
__device__ __noinline__ Edge find_edge(const Row row, float temperature, float top, bool by_mass,
                                       double wanted) {
  const float largest = top / temperature;
  // Keys up to low fall short; keys up to high suffice. Key 0 is NaN's.
  unsigned low = descending(top) - 1, high = kNoKey;
  double below = 0;
  int count = 0;  // tokens of keys up to low
  bool first_pass = true;
  while (high - low > 1) {
    unsigned probe[kProbes];
    const unsigned step = max(1u, (high - low) / (kProbes + 1));
#pragma unroll
    for (int i = 0; i < kProbes; i++) {
      // The edge is near the largest logit more often than not: look there first.
      const unsigned near = descending(top - 0.05f * (1 << i / 2) * (2 + i % 2) * temperature);
      probe[i] = min(high - 1, max(low, first_pass ? near : low + step * (i + 1)));
    }
    first_pass = false;
    float mass[kProbes] = {};
    int counts[kProbes] = {};
    row.each([&](int, const float(&run)[kRun]) {
#pragma unroll
      for (int i = 0; i < kRun; i++) {
        const unsigned key = descending(run[i]);
        if (key <= low || key > probe[kProbes - 1]) continue;
        const float weight = by_mass ? expf(run[i] / temperature - largest) : 0.0f;
#pragma unroll
        for (int p = 0; p < kProbes; p++) {
          mass[p] += key <= probe[p] ? weight : 0.0f;
          counts[p] += key <= probe[p] ? 1 : 0;
        }
      }
    });
    double masses[kProbes];
#pragma unroll
    for (int p = 0; p < kProbes; p++) masses[p] = mass[p];
    if (by_mass) block_sums(masses);
    block_sums(counts);
    double best_mass = below;
    int best_count = count;
#pragma unroll
    for (int p = 0; p < kProbes; p++) {
      const double reached = by_mass ? below + masses[p] : static_cast<double>(count + counts[p]);
      if (reached < wanted) {
        if (probe[p] > low) {
          low = probe[p];
          best_mass = below + masses[p];
          best_count = count + counts[p];
        }
      } else {
        high = min(high, probe[p]);
      }
    }
    below = best_mass;
    count = best_count;
  }

  // All of the edge's tokens have one logit: so many of them are kept, those of the lowest ids.
  Edge edge = {high, row.vocabulary, below, 0};
  const double weight = expf(from_descending(high) / temperature - largest);
  const double missing = by_mass ? ceil((wanted - below) / fmax(weight, 1e-300)) : wanted - count;
  int total[1] = {0};
  row.each([&](int first, const float(&run)[kRun]) {
#pragma unroll
    for (int i = 0; i < kRun; i++)
      total[0] += first + i < row.vocabulary && descending(run[i]) == high ? 1 : 0;
  });
  block_sums(total);
  edge.ties = static_cast<int>(fmin(fmax(missing, 1.0), static_cast<double>(total[0])));
  if (edge.ties == total[0]) return edge;

  int less = -1, enough = row.vocabulary - 1, seen = 0;  // ids up to less hold too few ties
  while (enough - less > 1) {
    const int step = max(1, (enough - less) / (kProbes + 1));
    int ties[kProbes] = {};
    row.each([&](int first, const float(&run)[kRun]) {
      if (first > enough || first + kRun <= less) return;
#pragma unroll
      for (int i = 0; i < kRun; i++) {
        if (descending(run[i]) != high || first + i <= less) continue;
#pragma unroll
        for (int p = 0; p < kProbes; p++)
          ties[p] += first + i <= min(enough - 1, less + step * (p + 1)) ? 1 : 0;
      }
    });
    block_sums(ties);
    const int from = less, end = enough;
    int best_seen = seen;
#pragma unroll
    for (int p = 0; p < kProbes; p++) {
      const int probe = min(end - 1, from + step * (p + 1));
      if (seen + ties[p] < edge.ties) {
        less = max(less, probe);
        best_seen = max(best_seen, seen + ties[p]);
      } else {
        enough = min(enough, probe);
      }
    }
    seen = best_seen;
  }
  edge.last = enough;
  return edge;
}
