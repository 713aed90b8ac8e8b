// merge_attention: joins the partial results of the tokens whose keys several segments had.
//   merge_start    [tokens + 1] int32, where each token's entries begin; none: its result is written already
//   merge_entries  int32, where a segment's partial results for the token's kv group begin, in vectors
//   partial_*      as paged_attention wrote them (attention_work.cuh)
//   counts         [16] int32; counts[0] tokens are valid
//   result         [tokens, heads, head_dim] elements, written
// With m the largest of the entries' maxima: sum(2^(m_i - m) o_i) / sum(2^(m_i - m) s_i).
// One warp a (token, head); thread blocks (tokens, heads / 4). Bound by latency and memory.
// Reference: PagedAttentionTests.
#include "attention_work.cuh"

extern "C" __global__ void __launch_bounds__(128)
    merge_attention(const int* __restrict__ counts, const int* __restrict__ merge_start,
                    const int* __restrict__ merge_entries, const float* __restrict__ partial_outputs,
                    const float2* __restrict__ partial_softmax, int partial_capacity,
                    Element* __restrict__ result) {
  constexpr int kPerLane = (kHeadDim / 4 + 31) / 32;
  const long long token = blockIdx.x;
  const int head = blockIdx.y * 4 + threadIdx.x / 32, lane = threadIdx.x % 32;
  if (token >= counts[0] || head >= kHeads) return;
  const int first = merge_start[token], end = merge_start[token + 1];
  if (first == end) return;

  const Partials partials = {const_cast<float*>(partial_outputs), const_cast<float2*>(partial_softmax),
                             partial_capacity};
  float most = -infinity();
  for (int i = first + lane; i < end; i += 32) {
    most = fmaxf(most,
                 partial_softmax[partial_row(partials, head / kGroup, merge_entries[i] + head % kGroup)].x);
  }
#pragma unroll
  for (int other = 16; other > 0; other /= 2) most = fmaxf(most, __shfl_xor_sync(0xffffffff, most, other));

  float4 sums[kPerLane] = {};
  float total = 0;
  for (int i = first; i < end; i++) {
    const long long row = partial_row(partials, head / kGroup, merge_entries[i] + head % kGroup);
    const float2 softmax = partial_softmax[row];
    const float factor = rescale(softmax.x, most);
    total += softmax.y * factor;
    const float4* from = reinterpret_cast<const float4*>(partial_outputs + row * kHeadDim);
#pragma unroll
    for (int p = 0; p < kPerLane; p++) {
      if (lane + 32 * p >= kHeadDim / 4) continue;
      const float4 part = from[lane + 32 * p];
      sums[p].x += part.x * factor;
      sums[p].y += part.y * factor;
      sums[p].z += part.z * factor;
      sums[p].w += part.w * factor;
    }
  }

  struct __align__(4 * sizeof(Element)) Four {
    Element at[4];
  };
  const float inverse = 1.0f / total;
  Four* to = reinterpret_cast<Four*>(result + (token * kHeads + head) * kHeadDim);
#pragma unroll
  for (int p = 0; p < kPerLane; p++) {
    if (lane + 32 * p >= kHeadDim / 4) continue;
    to[lane + 32 * p] = Four{{to_element(sums[p].x * inverse), to_element(sums[p].y * inverse),
                              to_element(sums[p].z * inverse), to_element(sums[p].w * inverse)}};
  }
}
