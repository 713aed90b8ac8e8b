// Attention of up to 64 query vectors, such as prompts and prompts that samples share. Each warp takes 16
// query vectors and all keys of a tile (FlashAttention-2, Dao 2023, arXiv 2307.08691), so that warps don't
// merge results, but wait for each tile together.
#pragma once
#include "attention_tile.cuh"

struct WideQuery {
  unsigned fragment[kSteps][4];  // queries as the left factor: [16 queries, 16 of the head]
  int limit[2];                  // keys that this lane's two rows attend to
  bool present;                  // whether this warp has any vector

  __device__ __forceinline__ void load(const AttentionWork& work, const Segment& segment,
                                       const Element* query, int kv_head) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int vectors = segment.token_count * kGroup;
    present = warp * 16 < vectors;
#pragma unroll
    for (int r = 0; r < 2; r++) {
      const int vector = warp * 16 + r * 8 + lane / 4;
      const bool valid = vector < vectors;
      const unsigned* row = nullptr;
      limit[r] = 0;
      if (valid) {
        const long long token = token_of(work, segment, vector / kGroup);
        limit[r] = limit_of(work, segment, vector / kGroup);
        row = reinterpret_cast<const unsigned*>(
            query + (token * kHeads + kv_head * kGroup + vector % kGroup) * kHeadDim);
      }
#pragma unroll
      for (int step = 0; step < kSteps; step++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
          const int number = step * 16 + half * 8 + 2 * (lane % 4);
          fragment[step][2 * half + r] = valid && number < kHeadDim ? row[number / 2] : 0;
        }
      }
    }
  }
};

struct WideState {
  float output[2 * kSteps][4];  // [16 queries, 8 of the head]
  float largest[2];  // the reference of the weights: no score exceeds it by more than kSlack
  float sum[2];      // sums over this lane's keys

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int n = 0; n < 2 * kSteps; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) output[n][i] = 0;
    }
    largest[0] = largest[1] = -infinity();
    sum[0] = sum[1] = 0;
  }

  // Computes one tile, whose keys begin at position first.
  __device__ __forceinline__ void attend(const WideQuery& query, unsigned tile, int first, float scale) {
    constexpr int kColumns = kTileKeys / 8;
    const int lane = threadIdx.x % 32;
    float score[kColumns][4];
#pragma unroll
    for (int n = 0; n < kColumns; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) score[n][i] = 0;
    }
#pragma unroll
    for (int step = 0; step < kSteps; step++) {
#pragma unroll
      for (int n = 0; n < kColumns; n += 2) {
        unsigned k[4];
        load_matrices(k, tile + chunk_offset(n * 8 + lane / 16 * 8 + lane % 8, 2 * step + lane / 8 % 2));
        multiply(score[n], query.fragment[step], k[0], k[1]);
        multiply(score[n + 1], query.fragment[step], k[2], k[3]);
      }
    }

    // Only the last tiles of a prompt's own range have keys that are masked for some query.
    const bool masked = first + kTileKeys > min(query.limit[0], query.limit[1]);
    float most[2] = {-infinity(), -infinity()};
#pragma unroll
    for (int n = 0; n < kColumns; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int key = first + n * 8 + 2 * (lane % 4) + i % 2;
        score[n][i] = masked && key >= query.limit[i / 2] ? -infinity() : score[n][i] * scale;
        most[i / 2] = fmaxf(most[i / 2], score[n][i]);
      }
    }
    if (__any_sync(0xffffffff, most[0] > largest[0] + kSlack || most[1] > largest[1] + kSlack)) raise(most);
    const float base[2] = {finite(largest[0]), finite(largest[1])};
#pragma unroll
    for (int n = 0; n < kColumns; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        score[n][i] = exp2_fast(score[n][i] - base[i / 2]);
        sum[i / 2] += score[n][i];
      }
    }
#pragma unroll
    for (int k = 0; k < kColumns / 2; k++) {
      const unsigned weights[4] = {
          pack(score[2 * k][0], score[2 * k][1]), pack(score[2 * k][2], score[2 * k][3]),
          pack(score[2 * k + 1][0], score[2 * k + 1][1]), pack(score[2 * k + 1][2], score[2 * k + 1][3])};
#pragma unroll
      for (int step = 0; step < kSteps; step++) {
        unsigned v[4];
        load_transposed(v, tile + kTileBytes + chunk_offset(k * 16 + lane % 16, 2 * step + lane / 16));
        multiply(output[2 * step], weights, v[0], v[1]);
        multiply(output[2 * step + 1], weights, v[2], v[3]);
      }
    }
  }

  // Makes the largest score so far the reference, given this lane's. Called by all lanes of the warp.
  __device__ __forceinline__ void raise(const float (&most)[2]) {
#pragma unroll
    for (int r = 0; r < 2; r++) {
      float next = fmaxf(largest[r], most[r]);
      next = fmaxf(next, __shfl_xor_sync(0xffffffff, next, 1));
      next = fmaxf(next, __shfl_xor_sync(0xffffffff, next, 2));
      const float shrink = rescale(largest[r], next);
      largest[r] = next;
      sum[r] *= shrink;
#pragma unroll
      for (int n = 0; n < 2 * kSteps; n++) {
        output[n][2 * r] *= shrink;
        output[n][2 * r + 1] *= shrink;
      }
    }
  }

  // Writes the results of this warp's vectors.
  __device__ __forceinline__ void finish(const AttentionWork& work, const Segment& segment,
                                         const Partials& partials, Element* result, int kv_head) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
#pragma unroll
    for (int r = 0; r < 2; r++) {
      sum[r] += __shfl_xor_sync(0xffffffff, sum[r], 1);
      sum[r] += __shfl_xor_sync(0xffffffff, sum[r], 2);
      const int vector = warp * 16 + r * 8 + lane / 4;
      if (vector >= segment.token_count * kGroup) continue;
      if (segment.partial >= 0) {
        const long long row = partial_row(partials, kv_head, segment.partial + vector);
        float* to = partials.outputs + row * kHeadDim;
#pragma unroll
        for (int n = 0; n < kDataChunks; n++) {
          store_partial(to + n * 8 + 2 * (lane % 4), make_float2(output[n][2 * r], output[n][2 * r + 1]));
        }
        if (lane % 4 == 0) partials.softmax[row] = make_float2(largest[r], sum[r]);
      } else {
        const float inverse = 1.0f / sum[r];
        const long long token = token_of(work, segment, vector / kGroup);
        Element* to = result + (token * kHeads + kv_head * kGroup + vector % kGroup) * kHeadDim;
#pragma unroll
        for (int n = 0; n < kDataChunks; n++) {
          *reinterpret_cast<unsigned*>(to + n * 8 + 2 * (lane % 4)) =
              pack(output[n][2 * r] * inverse, output[n][2 * r + 1] * inverse);
        }
      }
    }
  }
};
