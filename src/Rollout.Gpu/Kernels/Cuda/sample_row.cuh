// How the sampling kernel's thread block passes over one row of logits, and its reductions.
#pragma once
#include "common.cuh"

constexpr int kSampleThreads = 512;
constexpr int kSampleWarps = kSampleThreads / 32;
constexpr int kRun = 8;  // consecutive tokens that a thread takes at once: two counters of noise

struct Row {
  const Element* logits;
  int vocabulary;
  bool aligned;  // rows begin at 16-byte addresses

  // Calls visit(first token, kRun logits) for this thread's runs. Tokens beyond the vocabulary are -inf. All
  // lanes of a warp make the same number of calls, so that they can vote. Two runs are loaded ahead.
  template <typename Visit>
  __device__ __forceinline__ void each(const Visit& visit) const {
    constexpr int kStride = kSampleThreads * kRun;
    const int turns = (vocabulary - threadIdx.x / 32 * 32 * kRun + kStride - 1) / kStride;
    int first = threadIdx.x * kRun;
    Vector even[kVectors], odd[kVectors];
    load(even, first);
    load(odd, first + kStride);
    for (int turn = 0; turn < turns; turn += 2, first += 2 * kStride) {
      take(even, first, first + 2 * kStride, visit);
      if (turn + 1 < turns) take(odd, first + kStride, first + 3 * kStride, visit);
    }
  }

 private:
  static constexpr int kVectors = kRun / kVector;

  template <typename Visit>
  __device__ __forceinline__ void take(Vector (&held)[kVectors], int first, int next,
                                       const Visit& visit) const {
    float run[kRun];
#pragma unroll
    for (int i = 0; i < kRun; i++) run[i] = to_float(held[i / kVector].at[i % kVector]);
    load(held, next);
    visit(first, run);
  }

  __device__ __forceinline__ void load(Vector (&held)[kVectors], int first) const {
    if (aligned && first + kRun <= vocabulary) {
#pragma unroll
      for (int v = 0; v < kVectors; v++)
        held[v].raw = __ldg(reinterpret_cast<const uint4*>(logits + first) + v);
    } else {
#pragma unroll
      for (int i = 0; i < kRun; i++)
        held[i / kVector].at[i % kVector] =
            first + i < vocabulary ? logits[first + i] : to_element(-infinity());
    }
  }
};

// Returns the best of all threads' values by (score, lower token) to every thread.
struct Scored {
  double score;
  int token;

  __device__ __forceinline__ void take(double other_score, int other_token) {
    if (other_score > score || (other_score == score && other_token < token)) {
      score = other_score;
      token = other_token;
    }
  }
};

__device__ __forceinline__ Scored block_best(Scored best) {
  __shared__ double scores[kSampleWarps];
  __shared__ int tokens[kSampleWarps];
  __syncthreads();
#pragma unroll
  for (int other = 16; other > 0; other /= 2)
    best.take(__shfl_xor_sync(0xffffffff, best.score, other), __shfl_xor_sync(0xffffffff, best.token, other));
  if (threadIdx.x % 32 == 0) {
    scores[threadIdx.x / 32] = best.score;
    tokens[threadIdx.x / 32] = best.token;
  }
  __syncthreads();
  for (int w = 0; w < kSampleWarps; w++) best.take(scores[w], tokens[w]);
  return best;
}

// Sums N values over all threads in a fixed order. Every thread gets the sums.
template <int N, typename T>
__device__ __forceinline__ void block_sums(T (&values)[N]) {
  __shared__ T partial[kSampleWarps][N];
  __syncthreads();
#pragma unroll
  for (int n = 0; n < N; n++) {
#pragma unroll
    for (int other = 16; other > 0; other /= 2) values[n] += __shfl_xor_sync(0xffffffff, values[n], other);
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32][n] = values[n];
  }
  __syncthreads();
#pragma unroll
  for (int n = 0; n < N; n++) {
    values[n] = 0;
    for (int w = 0; w < kSampleWarps; w++) values[n] += partial[w][n];
  }
}

// The softmax of a row at one inverse temperature, in powers of two: sum is that of 2^(logit * c - most).
struct Softmax {
  float most;
  float sum;

  // Raises the maximum. Returns false if the value is not larger.
  __device__ __forceinline__ bool raise(float other_most) {
    if (!(other_most > most)) return false;
    sum *= exp2_fast(most - other_most);
    most = other_most;
    return true;
  }

  __device__ __forceinline__ void merge(float other_most, float other_sum) {
    const float next = fmaxf(most, other_most);
    sum = sum * exp2_fast(most - next) + other_sum * exp2_fast(other_most - next);
    most = next;
  }
};

__device__ __forceinline__ Softmax block_softmax(Softmax part) {
  __shared__ float most[kSampleWarps];
  __shared__ float sum[kSampleWarps];
  __syncthreads();
#pragma unroll
  for (int other = 16; other > 0; other /= 2)
    part.merge(__shfl_xor_sync(0xffffffff, part.most, other), __shfl_xor_sync(0xffffffff, part.sum, other));
  if (threadIdx.x % 32 == 0) {
    most[threadIdx.x / 32] = part.most;
    sum[threadIdx.x / 32] = part.sum;
  }
  __syncthreads();
  part = {most[0], sum[0]};
  for (int w = 1; w < kSampleWarps; w++) part.merge(most[w], sum[w]);
  return part;
}
