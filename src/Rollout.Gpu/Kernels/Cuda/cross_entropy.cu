// cross_entropy: log-probabilities of target tokens, and the gradient of each with respect to its logits.
//   logits    [rows, vocab] float, before the temperature
//   targets   [rows] int32
//   logprobs  [rows] float, written: log softmax(logits / T)[target]
//   gradient  [rows, vocab] elements, written: one-hot(target) - softmax, which is dlogprob/dlogits * T; or null
//   inverse_temperature  1 / T
// One thread block a row: maximum and sum in one pass over the row, the gradient in a second, which mostly finds the
// row in the cache. Bound by memory. Reference: TrainingKernelTests.
#include "pack.cuh"

constexpr int kThreads = 1024;

struct Tail {  // of a softmax, in powers of two
  float most, sum;
};

__device__ __forceinline__ Tail merged(Tail left, Tail right) {
  const float most = fmaxf(left.most, right.most);
  if (most == -infinity()) return Tail{most, left.sum + right.sum};
  return Tail{most, left.sum * exp2_fast(left.most - most) + right.sum * exp2_fast(right.most - most)};
}

__device__ __forceinline__ Tail over_block(Tail tail) {
  __shared__ Tail partial[kThreads / 32];
#pragma unroll
  for (int lane = 16; lane > 0; lane /= 2) {
    tail = merged(tail, Tail{__shfl_xor_sync(0xffffffff, tail.most, lane), __shfl_xor_sync(0xffffffff, tail.sum, lane)});
  }
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = tail;
  __syncthreads();
  tail = partial[threadIdx.x % 32];
#pragma unroll
  for (int lane = 16; lane > 0; lane /= 2) {
    tail = merged(tail, Tail{__shfl_xor_sync(0xffffffff, tail.most, lane), __shfl_xor_sync(0xffffffff, tail.sum, lane)});
  }
  return tail;
}

template <int N>
__device__ __forceinline__ void row(const float* __restrict__ logits, int target, float* __restrict__ logprob,
                                    Element* __restrict__ gradient, int vocab, float factor) {
  Tail tail = {-infinity(), 0};
  for (int i = threadIdx.x; i < vocab / N; i += kThreads) {
    const auto in = load_pack<N>(logits, i);
    float most = tail.most;
#pragma unroll
    for (int j = 0; j < N; j++) most = fmaxf(most, in.at[j] * factor);
    if (most == -infinity()) most = 0;
    float sum = tail.sum * exp2_fast(tail.most - most);
#pragma unroll
    for (int j = 0; j < N; j++) sum += exp2_fast(in.at[j] * factor - most);
    tail = Tail{most, sum};
  }
  tail = over_block(tail);
  const float normalizer = tail.most + log2_fast(tail.sum);
  if (threadIdx.x == 0) *logprob = (logits[target] * factor - normalizer) / kLog2E;
  if (gradient == nullptr) return;
  for (int i = threadIdx.x; i < vocab / N; i += kThreads) {
    const auto in = load_pack<N>(logits, i);
    Pack<Element, N> out;
#pragma unroll
    for (int j = 0; j < N; j++) {
      const float chosen = i * N + j == target ? 1.0f : 0.0f;
      out.at[j] = to_element(chosen - exp2_fast(in.at[j] * factor - normalizer));
    }
    store_pack<N>(gradient, i, out);
  }
}

extern "C" __global__ void __launch_bounds__(kThreads)
    cross_entropy(const float* __restrict__ logits, const int* __restrict__ targets, float* __restrict__ logprobs,
                  Element* __restrict__ gradient, int vocab, float inverse_temperature) {
  const long long start = static_cast<long long>(blockIdx.x) * vocab;
  Element* to = gradient == nullptr ? nullptr : gradient + start;
  const float factor = inverse_temperature * kLog2E;
  if (vocab % 4 == 0) {
    row<4>(logits + start, targets[blockIdx.x], logprobs + blockIdx.x, to, vocab, factor);
  } else {
    row<1>(logits + start, targets[blockIdx.x], logprobs + blockIdx.x, to, vocab, factor);
  }
}
