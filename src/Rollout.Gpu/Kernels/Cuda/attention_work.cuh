// The work of attention as AttentionSchedule lays it out, and what the kernels that do it share.
//
// A query vector is one (token, query head) pair. A segment is up to 64 query vectors of one KV head, namely
// all query heads of that head's group for some tokens, that attend to one range of keys of one block table,
// tiles of 64 keys at a time. A part is what one thread block does for one KV head: segments one after
// another. All KV heads have the same parts.
#pragma once
#include "common.cuh"

constexpr int kHeadDim = ROLLOUT_HEAD_DIM;
constexpr int kHeads = ROLLOUT_HEADS;
constexpr int kKvHeads = ROLLOUT_KV_HEADS;
constexpr int kGroup = kHeads / kKvHeads;
constexpr int kBlockSize = ROLLOUT_BLOCK_SIZE;
constexpr int kTileKeys = 64;
constexpr int kMaxVectors = 64;

// How long the L2 cache keeps what an access brings (PTX ISA: createpolicy).
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
  int tokens;       // the first token; or, below 0, ~index of the first entry of a list of tokens
  int token_count;  // its tokens; vectors are token_count * kGroup
  int table;        // where the block table begins in block_tables; entry 0 is for position 0
  int key_start;    // positions [key_start, key_end), of which a token sees those up to its own; whole
                    // blocks and tiles from the table's start
  int key_end;
  int partial;  // where its partial results go, in vectors; below 0: it has all keys and writes the result
  int unused[2];
};

struct AttentionWork {
  const int* part_start;  // [parts + 1] first segment of each part
  const Segment* segments;
  const int* shared_tokens;  // what segments' lists of tokens are in
  const int* block_tables;
  const int* positions;  // [tokens] a token attends to keys 0 ... its position
};

__device__ __forceinline__ int token_of(const AttentionWork& work, const Segment& segment, int index) {
  return segment.tokens >= 0 ? segment.tokens + index : work.shared_tokens[~segment.tokens + index];
}

// Whether the tokens are a piece of a prompt: they see the keys up to their own, and the next piece reads the
// same keys again. A single token and those that share a range see all of it, and nobody else reads it.
__device__ __forceinline__ bool is_prompt(const Segment& segment) {
  return segment.tokens >= 0 && segment.token_count > 1;
}

// The end of the segment's keys that one of its tokens attends to.
__device__ __forceinline__ int limit_of(const AttentionWork& work, const Segment& segment, int index) {
  if (!is_prompt(segment)) return segment.key_end;
  return min(work.positions[token_of(work, segment, index)] + 1, segment.key_end);
}

// Row of a layer's keys or values, [blocks, kv_heads, block_size, head_dim], that holds a position.
__device__ __forceinline__ int cache_row(const int* block_tables, int table, int position, int kv_head) {
  const int block = block_tables[table + position / kBlockSize];
  return (block * kKvHeads + kv_head) * kBlockSize + position % kBlockSize;
}

// Partial results: of a vector the sum of exp2(score - largest) * value, [kv_heads, capacity, head_dim]
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

// What to count from where all that was seen is masked: any number but -inf, which would give NaN.
__device__ __forceinline__ float finite(float largest) { return largest == -infinity() ? 0.0f : largest; }

// exp2(from - to) for maxima: 0 where nothing was seen before, never NaN.
__device__ __forceinline__ float rescale(float from, float to) {
  return from == -infinity() ? 0.0f : exp2_fast(from - to);
}

// Partial results live until they are merged: they should stay in the L2 cache while keys and values stream
// by. What is written to memory costs far more than its bytes, because reading has to pause for it.
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

// Drops a merged row, so that it is never written to memory. All lanes of a warp, after they have read it.
__device__ __forceinline__ void discard_partial(const float* row) {
  constexpr int kLine = 128 / sizeof(float);
  if constexpr (kHeadDim % kLine == 0) {
    for (int line = threadIdx.x % 32; line < kHeadDim / kLine; line += 32)
      asm volatile("discard.global.L2 [%0], 128;" ::"l"(row + line * kLine) : "memory");
  }
}
