// paged_attention for float: the same work and arguments as paged_attention.cu, with plain multiplications
// (no tf32), for models that compute in single precision. A warp takes every eighth query vector of a
// segment. For scores, a lane takes one key of half a tile; for the output, every 32nd number of the head.
// Keys and values of half a tile and the segment's queries are in shared memory. Bound by arithmetic.
// Reference: PagedAttentionKernelTests.
#include "attention_work.cuh"

constexpr int kWarps = 8;
constexpr int kThreads = 32 * kWarps;
constexpr int kHalfTile = kTileKeys / 2;  // one key for each lane
constexpr int kKeyStride = kHeadDim + 4;  // puts neighbouring keys into different banks
constexpr int kVectorsPerWarp = kMaxVectors / kWarps;
constexpr int kNumbers = (kHeadDim + 31) / 32;

struct Shared {
  float query[kMaxVectors][kHeadDim];
  float keys[kHalfTile][kKeyStride];
  float values[kHalfTile][kHeadDim];
  int limit[kMaxVectors];
  long long row[kMaxVectors];  // the vectors' rows in query and result
};

extern __shared__ __align__(16) unsigned char memory[];

__device__ void load_queries(const AttentionWork& work, const Segment& segment, const float* query,
                             int kv_head, Shared& shared) {
  const int vectors = segment.token_count * kGroup;
  for (int v = threadIdx.x; v < vectors; v += kThreads) {
    const long long token = token_of(work, segment, v / kGroup);
    shared.row[v] = (token * kHeads + kv_head * kGroup + v % kGroup) * kHeadDim;
    shared.limit[v] = limit_of(work, segment, v / kGroup);
  }
  __syncthreads();
  for (int i = threadIdx.x; i < vectors * kHeadDim; i += kThreads)
    shared.query[i / kHeadDim][i % kHeadDim] = query[shared.row[i / kHeadDim] + i % kHeadDim];
}

__device__ void load_keys(const AttentionWork& work, const Segment& segment, const float* keys,
                          const float* values, int kv_head, int first, Shared& shared) {
  for (int i = threadIdx.x; i < kHalfTile * (kHeadDim / 4); i += kThreads) {
    const int key = i / (kHeadDim / 4), number = i % (kHeadDim / 4) * 4;
    float4 k = make_float4(0, 0, 0, 0), v = k;
    if (first + key < segment.key_end) {
      const long long row = cache_row(work.block_tables, segment.table, first + key, kv_head);
      k = *reinterpret_cast<const float4*>(keys + row * kHeadDim + number);
      v = *reinterpret_cast<const float4*>(values + row * kHeadDim + number);
    }
    *reinterpret_cast<float4*>(&shared.keys[key][number]) = k;
    *reinterpret_cast<float4*>(&shared.values[key][number]) = v;
  }
}

struct State {
  float output[kVectorsPerWarp][kNumbers];
  float largest[kVectorsPerWarp];
  float sum[kVectorsPerWarp];  // sums over this lane's keys
};

__device__ __forceinline__ void attend(State& state, const Shared& shared, int vectors, int first,
                                       float scale) {
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < kVectorsPerWarp; i++) {
    const int v = warp + kWarps * i;
    if (v >= vectors) continue;
    float score = 0;
    for (int d = 0; d < kHeadDim; d += 4) {
      const float4 q = *reinterpret_cast<const float4*>(&shared.query[v][d]);
      const float4 k = *reinterpret_cast<const float4*>(&shared.keys[lane][d]);
      score = fmaf(q.x, k.x, fmaf(q.y, k.y, fmaf(q.z, k.z, fmaf(q.w, k.w, score))));
    }
    score = first + lane < shared.limit[v] ? score * scale : -infinity();
    float most = score;
#pragma unroll
    for (int other = 16; other > 0; other /= 2) most = fmaxf(most, __shfl_xor_sync(0xffffffff, most, other));
    const float next = fmaxf(state.largest[i], most);
    const float shrink = rescale(state.largest[i], next);
    const float weight = next == -infinity() ? 0.0f : exp2f(score - next);
    state.largest[i] = next;
    state.sum[i] = state.sum[i] * shrink + weight;
#pragma unroll
    for (int n = 0; n < kNumbers; n++) state.output[i][n] *= shrink;
#pragma unroll 8
    for (int key = 0; key < kHalfTile; key++) {
      const float w = __shfl_sync(0xffffffff, weight, key);
#pragma unroll
      for (int n = 0; n < kNumbers; n++) {
        const int d = lane + 32 * n;
        if (d < kHeadDim) state.output[i][n] = fmaf(w, shared.values[key][d], state.output[i][n]);
      }
    }
  }
}

__device__ __forceinline__ void finish(State& state, const Shared& shared, int vectors,
                                       const Segment& segment, const Partials& partials, float* result,
                                       int kv_head) {
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < kVectorsPerWarp; i++) {
    const int v = warp + kWarps * i;
    if (v >= vectors) continue;
    const float total = warp_sum(state.sum[i]);
    const bool partial = segment.partial >= 0;
    const long long row = partial ? partial_row(partials, kv_head, segment.partial + v) : 0;
    float* to = partial ? partials.outputs + row * kHeadDim : result + shared.row[v];
    const float factor = partial ? 1.0f : 1.0f / total;
#pragma unroll
    for (int n = 0; n < kNumbers; n++) {
      if (lane + 32 * n < kHeadDim) to[lane + 32 * n] = state.output[i][n] * factor;
    }
    if (partial && lane == 0) partials.softmax[row] = make_float2(state.largest[i], total);
  }
}

extern "C" __global__ void __launch_bounds__(kThreads, 1)
    paged_attention(const float* __restrict__ query, const float* __restrict__ keys,
                    const float* __restrict__ values, const int* __restrict__ part_start,
                    const Segment* __restrict__ segments, const int* __restrict__ shared_tokens,
                    const int* __restrict__ block_tables, const int* __restrict__ positions,
                    float* __restrict__ result, float* partial_outputs, float2* partial_softmax,
                    int partial_capacity, float scale) {
  const int kv_head = blockIdx.x;
  const AttentionWork work = {part_start, segments, shared_tokens, block_tables, positions};
  const Partials partials = {partial_outputs, partial_softmax, partial_capacity};
  Shared& shared = *reinterpret_cast<Shared*>(memory);
  for (int s = part_start[blockIdx.y]; s < part_start[blockIdx.y + 1]; s++) {
    const Segment segment = segments[s];
    const int vectors = segment.token_count * kGroup;
    State state = {};
#pragma unroll
    for (int i = 0; i < kVectorsPerWarp; i++) state.largest[i] = -infinity();
    load_queries(work, segment, query, kv_head, shared);
    for (int first = segment.key_start; first < segment.key_end; first += kHalfTile) {
      __syncthreads();
      load_keys(work, segment, keys, values, kv_head, first, shared);
      __syncthreads();
      attend(state, shared, vectors, first, scale);
    }
    finish(state, shared, vectors, segment, partials, result, kv_head);
    __syncthreads();
  }
}
