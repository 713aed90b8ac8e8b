// merge_attention: merges the partial results of tokens whose keys several segments covered.
//   counts         [16] int32; counts[0] tokens are valid
//   merge_start    [tokens + 1] int32, where each token's entries begin; a token without any is done already
//   merge_entries  int32, where a segment's partial results for the token's kv group begin, in vectors
//   partial_*      as paged_attention wrote them (attention_work.cuh); discarded when read
//   result         [tokens, heads, head_dim] elements, written
// With m the largest of the entries' maxima: sum(2^(m_i - m) o_i) / sum(2^(m_i - m) s_i). One warp for each
// (token, head); thread blocks (tokens or fewer, heads / 4), each for every gridDim.x-th token. Most tokens
// of prompts have nothing to merge. Bound by latency and memory. Reference: PagedAttentionKernelTests.
#include "attention_work.cuh"

constexpr int kPerLane = (kHeadDim / 4 + 31) / 32;

__device__ __forceinline__ void add_scaled(float4& sum, float4 part, float factor) {
  sum.x += part.x * factor;
  sum.y += part.y * factor;
  sum.z += part.z * factor;
  sum.w += part.w * factor;
}

__device__ __forceinline__ void merge(const Partials& partials, const int* entries, int count, int head,
                                      Element* result) {
  const int lane = threadIdx.x % 32;
  const auto row_of = [&](int entry) {
    return partial_row(partials, head / kGroup, entries[entry] + head % kGroup);
  };
  float most = -infinity();
  for (int i = lane; i < count; i += 32) most = fmaxf(most, partials.softmax[row_of(i)].x);
#pragma unroll
  for (int other = 16; other > 0; other /= 2) most = fmaxf(most, __shfl_xor_sync(0xffffffff, most, other));

  float4 sums[kPerLane] = {};
  float total = 0;
#pragma unroll 4
  for (int i = 0; i < count; i++) {
    const long long row = row_of(i);
    const float2 softmax = partials.softmax[row];
    const float factor = rescale(softmax.x, most);
    total += softmax.y * factor;
    const float4* from = reinterpret_cast<const float4*>(partials.outputs + row * kHeadDim);
#pragma unroll
    for (int p = 0; p < kPerLane; p++) {
      if (lane + 32 * p < kHeadDim / 4) add_scaled(sums[p], from[lane + 32 * p], factor);
    }
  }
  __syncwarp();
  for (int i = 0; i < count; i++) discard_partial(partials.outputs + row_of(i) * kHeadDim);

  struct __align__(4 * sizeof(Element)) Four {
    Element at[4];
  };
  const float inverse = 1.0f / total;
  Four* to = reinterpret_cast<Four*>(result);
#pragma unroll
  for (int p = 0; p < kPerLane; p++) {
    if (lane + 32 * p >= kHeadDim / 4) continue;
    to[lane + 32 * p] = Four{{to_element(sums[p].x * inverse), to_element(sums[p].y * inverse),
                              to_element(sums[p].z * inverse), to_element(sums[p].w * inverse)}};
  }
}

extern "C" __global__ void __launch_bounds__(128)
    merge_attention(const int* __restrict__ counts, const int* __restrict__ merge_start,
                    const int* __restrict__ merge_entries, float* partial_outputs, float2* partial_softmax,
                    int partial_capacity, Element* __restrict__ result) {
  const int head = blockIdx.y * 4 + threadIdx.x / 32, lane = threadIdx.x % 32;
  const int tokens = counts[0];
  if (head >= kHeads) return;
  const Partials partials = {partial_outputs, partial_softmax, partial_capacity};

  // Each lane looks at one token. Then the warp merges those that need it, one by one.
  for (int base = blockIdx.x; base < tokens; base += 32 * gridDim.x) {
    const int own = base + lane * gridDim.x;
    const int first = own < tokens ? merge_start[own] : 0;
    const int count = own < tokens ? merge_start[own + 1] - first : 0;
    for (unsigned left = __ballot_sync(0xffffffff, count > 0); left != 0; left &= left - 1) {
      const int of = __ffs(left) - 1;
      const long long token = base + of * gridDim.x;
      merge(partials, merge_entries + __shfl_sync(0xffffffff, first, of),
            __shfl_sync(0xffffffff, count, of), head, result + (token * kHeads + head) * kHeadDim);
    }
  }
}
