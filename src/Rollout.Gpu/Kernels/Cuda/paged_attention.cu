// paged_attention: causal softmax attention over block tables, read in place: decode, prompts, chunks of
// prompts, cached prefixes and prompts shared by a group are one case, told apart only by their segments
// (attention_work.cuh).
//   query         [tokens, heads, head_dim] bfloat16
//   keys, values  one layer's [blocks, kv_heads, block_size, head_dim] bfloat16
//   part_start, segments, shared_tokens, block_tables  the step's work (AttentionSchedule)
//   positions     [tokens] int32: token t attends to keys 0 ... positions[t] of its own context
//   result        [tokens, heads, head_dim] bfloat16, written for tokens whose keys one segment has
//   partial_*     for all others, merged by merge_attention
//   scale         of the scores, 1 / sqrt(head_dim) * log2(e): the softmax is taken with powers of two
// One persistent thread block for each (KV head, part). Keys and values stream through kStages stages of
// shared memory by 16-byte asynchronous copies that run on across segments; scores and sums are float. Bound
// by memory at decode, by the tensor cores in prompts. Reference: PagedAttentionTests.
#include "attention_narrow.cuh"
#include "attention_wide.cuh"

extern __shared__ __align__(128) unsigned char stages[];

// Tiles in the order in which they are copied. A stage is copied over as soon as its tile has been used,
// before the next tile is waited for, so that nearly all of shared memory is on its way at any time.
struct Tiles {
  int stage;
  const unsigned shared;

  // The stage of the next tile, once this thread's copies to it have arrived.
  __device__ __forceinline__ unsigned next() {
    wait_copies<kStages - 1>();
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
    state.attend(queries, at, first + own, scale);
    __syncwarp();
    stream.issue();
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
    if (queries.present) state.attend(queries, at, first, scale);
    __syncthreads();
    stream.issue();
  }
  if (queries.present) state.finish(work, segment, partials, result, kv_head);
}

extern "C" __global__ void __launch_bounds__(32 * kWarps, ROLLOUT_MIN_BLOCKS)
    paged_attention(const Element* query, const Element* keys,
                    const Element* values, const int* part_start,
                    const Segment* segments, const int* shared_tokens,
                    const int* block_tables, const int* positions,
                    Element* result, float* partial_outputs, float2* partial_softmax,
                    int partial_capacity, float scale) {
  const int kv_head = blockIdx.x;
  const AttentionWork work = {part_start, segments, shared_tokens, block_tables, positions};
  const Partials partials = {partial_outputs, partial_softmax, partial_capacity};
  // The schedule and the block tables were there before the step began; all else is an earlier kernel's.
  const int end = part_start[blockIdx.y + 1];
  int segment_index = part_start[blockIdx.y];
  const unsigned shared = static_cast<unsigned>(__cvta_generic_to_shared(stages));
  NarrowShared& merged = *reinterpret_cast<NarrowShared*>(stages + kStages * kStageBytes);
  TileStream stream(work, keys, values, kv_head, shared, segment_index, end);
  wait_for_earlier_work();
  if (segment_index == end) return;
  for (int i = 0; i < kStages; i++) stream.issue();
  Tiles tiles = {0, shared};
  for (; segment_index < end; segment_index++) {
    const Segment segment = segments[segment_index];
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
