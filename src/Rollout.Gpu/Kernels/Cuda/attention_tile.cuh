// Tiles of keys and values in shared memory for tensor cores: asynchronous copies, which run ahead across a
// part's segments, and the matrix instructions on tiles (PTX ISA: cp.async, ldmatrix, movmatrix,
// mma.m16n8k16).
#pragma once
#include "attention_work.cuh"

constexpr int kWarps = 4;
constexpr int kWarpKeys = kTileKeys / kWarps;  // keys of a tile that a warp copies
constexpr int kPaddedDim = (kHeadDim + 15) / 16 * 16;
constexpr int kSteps = kPaddedDim / 16;  // steps of 16 along the head
constexpr int kChunks = kPaddedDim / 8;  // 16-byte chunks of a row
constexpr int kDataChunks = kHeadDim / 8;
constexpr int kTileBytes = kTileKeys * kPaddedDim * 2;
constexpr int kStageBytes = 2 * kTileBytes;  // keys, then values
constexpr int kStages = ROLLOUT_STAGES;

// Whether a warp's keys of a tile never cross a block's end, so that they are contiguous in memory.
constexpr bool kOneRun = kBlockSize % kWarpKeys == 0;

// Scores may exceed the softmax's reference by this much before the reference is raised. Weights up to 2^8
// are as exact as weights up to 1 in float sums and bfloat16 factors, and a warp seldom has to agree on a
// maximum and rescale its results.
constexpr float kSlack = 8;

// Bytes from a tile's start to a chunk of a row. Chunks are permuted from row to row, so that the eight rows
// that one ldmatrix phase reads lie in different banks, whatever power of two divides the row's length.
__device__ __forceinline__ int chunk_offset(int row, int chunk) {
  constexpr int kPermuted = kChunks % 8 == 0 ? 8 : kChunks % 4 == 0 ? 4 : 2;
  return (row * kChunks + (chunk ^ ((row / (8 / kPermuted)) & (kPermuted - 1)))) * 16;
}

// Copies 16 bytes, or clears them where there is nothing to copy. Data that is read once leaves the L2 cache
// first. The policy must be a constant: with a policy chosen at run time, NVRTC 13.0 generated an illegal
// instruction where registers ran out (heads of 256 numbers).
template <bool kOnce>
__device__ __forceinline__ void copy_async(unsigned to, const void* from, bool present) {
  if constexpr (kOnce) {
    asm volatile("cp.async.cg.shared.global.L2::cache_hint.L2::128B [%0], [%1], 16, %2, %3;" ::"r"(to),
                 "l"(from), "r"(present ? 16 : 0), "l"(l2_evict_first()));
  } else {
    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(to), "l"(from),
                 "r"(present ? 16 : 0));
  }
}

__device__ __forceinline__ void commit_copies() { asm volatile("cp.async.commit_group;"); }

template <int kPending>
__device__ __forceinline__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// Loads four 8x8 matrices of 16-bit numbers. Lane l gives the address of row l % 8 of matrix l / 8.
__device__ __forceinline__ void load_matrices(unsigned (&to)[4], unsigned from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(from)
               : "memory");
}

__device__ __forceinline__ void load_transposed(unsigned (&to)[4], unsigned from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(from)
               : "memory");
}

__device__ __forceinline__ unsigned transposed(unsigned matrix) {
  unsigned result;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(result) : "r"(matrix));
  return result;
}

// sum[16, 8] += a[16, 16] b[16, 8].
__device__ __forceinline__ void multiply(float (&sum)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Packs two bfloat16, the first in the lower half.
__device__ __forceinline__ unsigned pack(float low, float high) {
  unsigned packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}

// One warp's share of a part's copies. They run kStages - 1 tiles ahead of computation, across segments.
struct TileStream {
  const AttentionWork& work;
  const Element* keys;
  const Element* values;
  const int kv_head;
  const unsigned shared;  // address of the stages
  const int warp;
  const int lane;
  int segment, segment_end;
  Segment following;        // the segment after the open one, read ahead
  int table, key, key_end;  // the open segment's; the next tile begins at key
  bool once;                // hardly any other part reads the open segment's keys: see is_prompt
  int row;    // cache row of this warp's first key in the next tile; without kOneRun, of key lane % 16
  int stage;  // where the next tile goes

  __device__ __forceinline__ TileStream(const AttentionWork& work, const Element* keys, const Element* values,
                                        int kv_head, unsigned shared, int segment, int segment_end)
      : work(work),
        keys(keys),
        values(values),
        kv_head(kv_head),
        shared(shared),
        warp(threadIdx.x / 32),
        lane(threadIdx.x % 32),
        segment(segment),
        segment_end(segment_end),
        following(work.segments[segment]),
        stage(0) {
    open();
    find_row();
  }

  __device__ __forceinline__ void open() {
    table = following.table;
    key = following.key_start;
    key_end = following.key_end;
    // Data that is read once must not evict what is read again: prompts, queries, schedules, partial results.
    once = !is_prompt(following);
    following = work.segments[min(segment + 1, segment_end - 1)];
  }

  // Starts reading the block table for the next tile, one tile ahead.
  __device__ __forceinline__ void find_row() {
    row = 0;
    if (segment == segment_end) return;
    const int position = key + warp * kWarpKeys + (kOneRun ? 0 : lane % kWarpKeys);
    if (position < key_end) row = cache_row(work.block_tables, table, position, kv_head);
  }

  // Starts copying this warp's 16 keys and values of the next tile, if there is one.
  __device__ __forceinline__ void issue() {
    if (segment < segment_end) {
      if (once) {
        copy_tile<true>();
      } else {
        copy_tile<false>();
      }
      key += kTileKeys;
      if (key >= key_end && ++segment < segment_end) open();
      find_row();
    }
    stage = stage + 1 == kStages ? 0 : stage + 1;
    commit_copies();
  }

  template <bool kOnce>
  __device__ __forceinline__ void copy_tile() {
    const unsigned to = shared + stage * kStageBytes;
    const int left = key_end - key - warp * kWarpKeys;
    const long long run = static_cast<long long>(row) * kHeadDim;
#pragma unroll
    for (int i = 0; i < kWarpKeys * kChunks / 32; i++) {
      const int index = i * 32 + lane;
      const int held = index / kChunks, chunk = index % kChunks;
      const long long from = kOneRun ? run + held * kHeadDim : __shfl_sync(0xffffffff, run, held);
      const bool present = held < left && chunk < kDataChunks;
      const long long offset = from + (chunk < kDataChunks ? chunk * 8 : 0);
      const unsigned target = to + chunk_offset(warp * kWarpKeys + held, chunk);
      copy_async<kOnce>(target, keys + offset, present);
      copy_async<kOnce>(target + kTileBytes, values + offset, present);
    }
  }
};
