// Attention of up to 8 * kTiles query vectors, such as a decoding sequence's own context. Each warp takes 16
// of a tile's keys and keeps a softmax of its own, so that warps don't wait for each other until the segment
// ends and they merge. Scores are computed transposed, keys x queries, so that 8 queries cost one matrix
// instruction instead of two.
#pragma once
#include "attention_tile.cuh"

constexpr int kMergeStride = kPaddedDim + 4;

struct NarrowShared {
  float outputs[kWarps][8][kMergeStride];
  float largest[kWarps][8];
  float sum[kWarps][8];
};

template <int kTiles>
struct NarrowQuery {
  unsigned fragment[kTiles][kSteps][2];  // queries as the right factor: [16 of the head, 8 queries]
  int limit[kTiles][2];                  // keys that this lane's two queries attend to

  __device__ __forceinline__ void load(const AttentionWork& work, const Segment& segment,
                                       const Element* query, int kv_head) {
    const int lane = threadIdx.x % 32;
    const int vectors = segment.token_count * kGroup;
#pragma unroll
    for (int t = 0; t < kTiles; t++) {
      const int vector = t * 8 + lane / 4;
      const bool present = vector < vectors;
      const unsigned* row = nullptr;
      if (present) {
        const long long token = token_of(work, segment, vector / kGroup);
        row = reinterpret_cast<const unsigned*>(
            query + (token * kHeads + kv_head * kGroup + vector % kGroup) * kHeadDim);
      }
#pragma unroll
      for (int step = 0; step < kSteps; step++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
          const int number = step * 16 + half * 8 + 2 * (lane % 4);
          fragment[t][step][half] = present && number < kHeadDim ? row[number / 2] : 0;
        }
      }
#pragma unroll
      for (int j = 0; j < 2; j++) {
        const int column = t * 8 + 2 * (lane % 4) + j;
        limit[t][j] = column < vectors ? limit_of(work, segment, column / kGroup) : 0;
      }
    }
  }
};

template <int kTiles>
struct NarrowState {
  float output[kTiles][kSteps][4];  // [16 of the head, 8 queries]
  float largest[kTiles][2];  // the reference of the weights: no score exceeds it by more than kSlack
  float sum[kTiles][2];      // sums over this lane's keys

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int t = 0; t < kTiles; t++) {
#pragma unroll
      for (int step = 0; step < kSteps; step++) {
#pragma unroll
        for (int i = 0; i < 4; i++) output[t][step][i] = 0;
      }
#pragma unroll
      for (int j = 0; j < 2; j++) {
        largest[t][j] = -infinity();
        sum[t][j] = 0;
      }
    }
  }

  // Computes one tile. This warp's keys begin at position first.
  __device__ __forceinline__ void attend(const NarrowQuery<kTiles>& query, unsigned tile, int first,
                                         float scale) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int rows = warp * kWarpKeys;
    float score[kTiles][4];
#pragma unroll
    for (int t = 0; t < kTiles; t++) {
#pragma unroll
      for (int i = 0; i < 4; i++) score[t][i] = 0;
    }
#pragma unroll
    for (int step = 0; step < kSteps; step++) {
      unsigned k[4];
      load_matrices(k, tile + chunk_offset(rows + lane % 16, 2 * step + lane / 16));
#pragma unroll
      for (int t = 0; t < kTiles; t++)
        multiply(score[t], k, query.fragment[t][step][0], query.fragment[t][step][1]);
    }

    bool exceeded = false;
#pragma unroll
    for (int t = 0; t < kTiles; t++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int key = first + lane / 4 + i / 2 * 8;
        score[t][i] = key < query.limit[t][i % 2] ? score[t][i] * scale : -infinity();
        exceeded |= score[t][i] > largest[t][i % 2] + kSlack;
      }
    }
    if (__any_sync(0xffffffff, exceeded)) raise(score);

    unsigned weights[kTiles][2];
#pragma unroll
    for (int t = 0; t < kTiles; t++) {
      float weight[4];
#pragma unroll
      for (int i = 0; i < 4; i++) {
        weight[i] = exp2_fast(score[t][i] - finite(largest[t][i % 2]));
        sum[t][i % 2] += weight[i];
      }
      weights[t][0] = transposed(pack(weight[0], weight[1]));
      weights[t][1] = transposed(pack(weight[2], weight[3]));
    }
#pragma unroll
    for (int step = 0; step < kSteps; step++) {
      unsigned v[4];
      load_transposed(
          v, tile + kTileBytes + chunk_offset(rows + lane / 16 * 8 + lane % 8, 2 * step + lane / 8 % 2));
#pragma unroll
      for (int t = 0; t < kTiles; t++) multiply(output[t][step], v, weights[t][0], weights[t][1]);
    }
  }

  // Makes the largest score so far the reference. Called by all lanes of the warp.
  __device__ __forceinline__ void raise(const float (&score)[kTiles][4]) {
#pragma unroll
    for (int t = 0; t < kTiles; t++) {
      float shrink[2];
#pragma unroll
      for (int j = 0; j < 2; j++) {
        float next = fmaxf(largest[t][j], fmaxf(score[t][j], score[t][j + 2]));
#pragma unroll
        for (int other = 4; other < 32; other *= 2)
          next = fmaxf(next, __shfl_xor_sync(0xffffffff, next, other));
        shrink[j] = rescale(largest[t][j], next);
        largest[t][j] = next;
        sum[t][j] *= shrink[j];
      }
#pragma unroll
      for (int step = 0; step < kSteps; step++) {
#pragma unroll
        for (int i = 0; i < 4; i++) output[t][step][i] *= shrink[i % 2];
      }
    }
  }

  // Merges the four warps' results and writes them. Called by all threads of the block.
  __device__ __forceinline__ void finish(const AttentionWork& work, const Segment& segment,
                                         const Partials& partials, Element* result, int kv_head,
                                         NarrowShared& shared) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int vectors = segment.token_count * kGroup;
#pragma unroll
    for (int t = 0; t < kTiles; t++) {
      const int count = min(vectors - t * 8, 8);
#pragma unroll
      for (int j = 0; j < 2; j++) {
#pragma unroll
        for (int other = 4; other < 32; other *= 2)
          sum[t][j] += __shfl_xor_sync(0xffffffff, sum[t][j], other);
        if (lane < 4) {
          shared.largest[warp][2 * lane + j] = largest[t][j];
          shared.sum[warp][2 * lane + j] = sum[t][j];
        }
      }
      __syncthreads();
#pragma unroll
      for (int j = 0; j < 2; j++) {
        const int column = 2 * (lane % 4) + j;
        if (column >= count) continue;
        float most = shared.largest[0][column];
#pragma unroll
        for (int w = 1; w < kWarps; w++) most = fmaxf(most, shared.largest[w][column]);
        const float factor = rescale(largest[t][j], most);
#pragma unroll
        for (int step = 0; step < kSteps; step++) {
          shared.outputs[warp][column][step * 16 + lane / 4] = output[t][step][j] * factor;
          shared.outputs[warp][column][step * 16 + 8 + lane / 4] = output[t][step][j + 2] * factor;
        }
      }
      __syncthreads();
      for (int i = threadIdx.x; i < count * (kHeadDim / 4); i += 32 * kWarps)
        write(work, segment, partials, result, kv_head, shared, t * 8, i / (kHeadDim / 4),
              i % (kHeadDim / 4) * 4);
      __syncthreads();
    }
  }

 private:
  // Sums four numbers of one vector over the warps.
  __device__ __forceinline__ void write(const AttentionWork& work, const Segment& segment,
                                        const Partials& partials, Element* result, int kv_head,
                                        const NarrowShared& shared, int first, int column, int number) {
    float most = shared.largest[0][column];
#pragma unroll
    for (int w = 1; w < kWarps; w++) most = fmaxf(most, shared.largest[w][column]);
    float total = 0;
    float4 out = make_float4(0, 0, 0, 0);
#pragma unroll
    for (int w = 0; w < kWarps; w++) {
      total += shared.sum[w][column] * rescale(shared.largest[w][column], most);
      const float4 part = *reinterpret_cast<const float4*>(&shared.outputs[w][column][number]);
      out.x += part.x;
      out.y += part.y;
      out.z += part.z;
      out.w += part.w;
    }
    const int vector = first + column;
    if (segment.partial >= 0) {
      const long long row = partial_row(partials, kv_head, segment.partial + vector);
      store_partial(partials.outputs + row * kHeadDim + number, out);
      if (number == 0) partials.softmax[row] = make_float2(most, total);
    } else {
      const float inverse = 1.0f / total;
      const long long token = token_of(work, segment, vector / kGroup);
      Element* to = result + (token * kHeads + kv_head * kGroup + vector % kGroup) * kHeadDim + number;
      *reinterpret_cast<uint2*>(to) =
          make_uint2(pack(out.x * inverse, out.y * inverse), pack(out.z * inverse, out.w * inverse));
    }
  }
};
