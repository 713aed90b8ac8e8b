// paged_attention: causal softmax attention over block tables, read in place. Decode, prompts, chunks of
// prompts, cached prefixes and prompts that a group shares are one case, and differ only in their segments
// (attention_work.cuh).
//   query         [tokens, heads, head_dim] bfloat16
//   keys, values  one layer's [blocks, kv_heads, block_size, head_dim] bfloat16
//   part_start, segments, shared_tokens, block_tables  the step's work (AttentionSchedule)
//   positions     [tokens] int32: token t attends to keys 0 ... positions[t] of its own context
//   result        [tokens, heads, head_dim] bfloat16, written for tokens whose keys one segment covers
//   partial_*     written for all others, merged by merge_attention
//   scale         1 / sqrt(head_dim) * log2(e), of the scores: the softmax uses powers of two
// One persistent thread block for each (KV head, part). Keys and values stream through kStages stages of
// shared memory by 16-byte asynchronous copies, which continue across segments. Scores and sums are float.
// Bound by memory at decode, by the tensor cores in prompts. Reference: PagedAttentionKernelTests.
#include "attention_narrow.cuh"
#include "attention_wide.cuh"

extern __shared__ __align__(128) unsigned char stages[];

struct Tiles {
  int stage;
  const unsigned shared;

  // Returns the next tile's stage, after this thread's copies to it have arrived.
  __device__ __forceinline__ unsigned next() {
    wait_copies<kStages - 2>();
    const unsigned tile = shared + stage * kStageBytes;
    stage = stage + 1 == kStages ? 0 : stage + 1;
    return tile;
  }
};

template <int kTiles>
__device__ __forceinline__ void run_narrow(const AttentionWork& work, const Segment& segment,
                                           const Partials& partials, const Element* query, Element* result,
                                           float scale, int kv_head, TileStream& stream, Tiles& tiles,
                                           NarrowShared& shared) {
  NarrowQuery<kTiles> queries;
  NarrowState<kTiles> state;
  queries.load(work, segment, query, kv_head);
  state.clear();
  const int own = threadIdx.x / 32 * kWarpKeys;
  for (int first = segment.key_start; first < segment.key_end; first += kTileKeys) {
    const unsigned at = tiles.next();
    __syncwarp();
    stream.issue();
    state.attend(queries, at, first + own, scale);
  }
  state.finish(work, segment, partials, result, kv_head, shared);
}

__device__ __forceinline__ void run_wide(const AttentionWork& work, const Segment& segment,
                                         const Partials& partials, const Element* query, Element* result,
                                         float scale, int kv_head, TileStream& stream, Tiles& tiles) {
  WideQuery queries;
  WideState state;
  queries.load(work, segment, query, kv_head);
  state.clear();
  for (int first = segment.key_start; first < segment.key_end; first += kTileKeys) {
    const unsigned at = tiles.next();
    __syncthreads();
    stream.issue();
    if (queries.present) state.attend(queries, at, first, scale);
  }
  if (queries.present) state.finish(work, segment, partials, result, kv_head);
  // The next segment may copy over a stage that a slower warp still reads.
  __syncthreads();
}

extern "C" __global__ void __launch_bounds__(32 * kWarps, ROLLOUT_MIN_BLOCKS)
    paged_attention(const Element* __restrict__ query, const Element* __restrict__ keys,
                    const Element* __restrict__ values, const int* __restrict__ part_start,
                    const Segment* __restrict__ segments, const int* __restrict__ shared_tokens,
                    const int* __restrict__ block_tables, const int* __restrict__ positions,
                    Element* __restrict__ result, float* partial_outputs, float2* partial_softmax,
                    int partial_capacity, float scale) {
  const int kv_head = blockIdx.x;
  const AttentionWork work = {part_start, segments, shared_tokens, block_tables, positions};
  const Partials partials = {partial_outputs, partial_softmax, partial_capacity};
  const int end = part_start[blockIdx.y + 1];
  int segment_index = part_start[blockIdx.y];
  if (segment_index == end) return;

  const unsigned shared = static_cast<unsigned>(__cvta_generic_to_shared(stages));
  NarrowShared& merged = *reinterpret_cast<NarrowShared*>(stages + kStages * kStageBytes);
  TileStream stream(work, keys, values, kv_head, shared, segment_index, end);
  for (int i = 0; i < kStages - 1; i++) stream.issue();
  Tiles tiles = {0, shared};
  Segment following = segments[segment_index];
  for (; segment_index < end; segment_index++) {
    const Segment segment = following;
    following = segments[min(segment_index + 1, end - 1)];  // read while this one is computed
    const int vectors = segment.token_count * kGroup;
    if (vectors <= 8) {
      run_narrow<1>(work, segment, partials, query, result, scale, kv_head, stream, tiles, merged);
    } else if (vectors <= 16) {
      run_narrow<2>(work, segment, partials, query, result, scale, kv_head, stream, tiles, merged);
    } else {
      run_wide(work, segment, partials, query, result, scale, kv_head, stream, tiles);
    }
  }
}
