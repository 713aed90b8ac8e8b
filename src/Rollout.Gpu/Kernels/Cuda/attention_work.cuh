// The work of attention as AttentionSchedule lays it out, and code that its kernels share.
//
// A query vector is one (token, query head) pair. A segment is up to 64 query vectors of one KV head (all
// query heads of its group for some tokens) that attend to one range of keys of one block table, in tiles of
// 64 keys. A part is the list of segments that one thread block computes for one KV head. All KV heads have
// the same parts.
#pragma once
#include "common.cuh"

constexpr int kHeadDim = ROLLOUT_HEAD_DIM;
constexpr int kHeads = ROLLOUT_HEADS;
constexpr int kKvHeads = ROLLOUT_KV_HEADS;
constexpr int kGroup = kHeads / kKvHeads;
constexpr int kBlockSize = ROLLOUT_BLOCK_SIZE;
constexpr int kTileKeys = 64;
constexpr int kMaxVectors = 64;

// How long the L2 cache keeps the data of an access (PTX ISA: createpolicy).
__device__ __forceinline__ unsigned long long l2_evict_first() {
  unsigned long long policy;
  asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
  return policy;
}

__device__ __forceinline__ unsigned long long l2_evict_last() {
  unsigned long long policy;
  asm("createpolicy.fractional.L2::evict_last.b64 %0, 1.0;" : "=l"(policy));
  return policy;
}

struct __align__(16) Segment {
  int tokens;       // the first token; below 0, ~index of the first entry in shared_tokens
  int token_count;  // tokens; there are token_count * kGroup vectors
  int table;        // where the block table begins in block_tables; entry 0 is for position 0
  int key_start;    // positions [key_start, key_end), of which a token attends to those up to its own;
                    // key_start is a block edge plus whole tiles
  int key_end;
  int partial;  // where partial results go, in vectors; below 0: covers all keys and writes the result
  int unused[2];
};

struct AttentionWork {
  const int* part_start;  // [parts + 1] the first segment of each part
  const Segment* segments;
  const int* shared_tokens;  // the segments' lists of tokens
  const int* block_tables;
  const int* positions;  // [tokens] a token attends to keys 0 ... its position
};

__device__ __forceinline__ int token_of(const AttentionWork& work, const Segment& segment, int index) {
  return segment.tokens >= 0 ? segment.tokens + index : work.shared_tokens[~segment.tokens + index];
}

// Whether the tokens are a piece of a prompt. They attend to the keys up to their own, and the next piece
// reads the same keys again. A single token, or tokens that share a range, attend to all of it. They read it
// alone, unless more rows share the range than an item has room for.
__device__ __forceinline__ bool is_prompt(const Segment& segment) {
  return segment.tokens >= 0 && segment.token_count > 1;
}

// The end of the keys that one of the segment's tokens attends to.
__device__ __forceinline__ int limit_of(const AttentionWork& work, const Segment& segment, int index) {
  if (!is_prompt(segment)) return segment.key_end;
  return min(work.positions[token_of(work, segment, index)] + 1, segment.key_end);
}

// The row that holds a position in a layer's keys or values, [blocks, kv_heads, block_size, head_dim].
__device__ __forceinline__ int cache_row(const int* block_tables, int table, int position, int kv_head) {
  const int block = block_tables[table + position / kBlockSize];
  return (block * kKvHeads + kv_head) * kBlockSize + position % kBlockSize;
}

// Partial results of vectors: the sums of exp2(score - largest) * value, [kv_heads, capacity, head_dim]
// float, and {largest, sum of exp2(score - largest)}, [kv_heads, capacity] float2. Scores are in units of
// log2.
struct Partials {
  float* outputs;
  float2* softmax;
  int capacity;
};

__device__ __forceinline__ long long partial_row(const Partials& partials, int kv_head, int vector) {
  return static_cast<long long>(kv_head) * partials.capacity + vector;
}

// The reference where all keys so far are masked: any number but -inf, which would give NaN.
__device__ __forceinline__ float finite(float largest) { return largest == -infinity() ? 0.0f : largest; }

// exp2(from - to) for maxima: 0 where there was no key before, never NaN.
__device__ __forceinline__ float rescale(float from, float to) {
  return from == -infinity() ? 0.0f : exp2_fast(from - to);
}

// Partial results live until they are merged, so they should stay in the L2 cache while keys and values pass
// through. A write to memory costs far more than its bytes, because reads pause for it.
__device__ __forceinline__ void store_partial(float* to, float4 numbers) {
  asm volatile("st.global.L2::cache_hint.v4.f32 [%0], {%1, %2, %3, %4}, %5;" ::"l"(to), "f"(numbers.x),
               "f"(numbers.y), "f"(numbers.z), "f"(numbers.w), "l"(l2_evict_last())
               : "memory");
}

__device__ __forceinline__ void store_partial(float* to, float2 numbers) {
  asm volatile("st.global.L2::cache_hint.v2.f32 [%0], {%1, %2}, %3;" ::"l"(to), "f"(numbers.x),
               "f"(numbers.y), "l"(l2_evict_last())
               : "memory");
}

// Discards a merged row, so that it is never written to memory. Called by all lanes of a warp after they read
// it.
__device__ __forceinline__ void discard_partial(const float* row) {
  constexpr int kLine = 128 / sizeof(float);
  if constexpr (kHeadDim % kLine == 0) {
    for (int line = threadIdx.x % 32; line < kHeadDim / kLine; line += 32)
      asm volatile("discard.global.L2 [%0], 128;" ::"l"(row + line * kLine) : "memory");
  }
}
