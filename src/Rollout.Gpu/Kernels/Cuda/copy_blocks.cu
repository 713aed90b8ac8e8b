// copy_blocks: copies whole blocks, keys and values of all layers. Every source is read before any
// destination is written, whatever the order of the pairs.
//   cache   [layers * 2, blocks, block_vectors] 16-byte vectors
//   counts  [16] int32; counts[4] pairs are valid
//   pairs   [pairs, 2] int32: source block, destination block
// A thread block owns the same few vectors of every block of one layer's keys or values. It reads those of
// all sources into shared memory (16 * pairs * slice_vectors bytes) before it writes any. Bound by memory.
// Reference: CopyBlocksTests.
#include "common.cuh"

constexpr int kCopyCount = 4;

extern __shared__ uint4 held[];

extern "C" __global__ void __launch_bounds__(256)
    copy_blocks(uint4* cache, const int* __restrict__ counts, const int2* __restrict__ pairs, int blocks,
                int block_vectors, int slice_vectors) {
  const int first = blockIdx.x * slice_vectors;
  const int width = min(slice_vectors, block_vectors - first);
  const int total = counts[kCopyCount] * width;
  uint4* layer = cache + static_cast<long long>(blockIdx.y) * blocks * block_vectors + first;
  for (int i = threadIdx.x; i < total; i += blockDim.x) {
    held[i] = layer[static_cast<long long>(pairs[i / width].x) * block_vectors + i % width];
  }
  __syncthreads();
  for (int i = threadIdx.x; i < total; i += blockDim.x) {
    layer[static_cast<long long>(pairs[i / width].y) * block_vectors + i % width] = held[i];
  }
}
