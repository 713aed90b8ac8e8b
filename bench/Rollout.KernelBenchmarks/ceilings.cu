// fill: bfloat16 numbers in -1 ... 1 that depend on their place, so that nothing is measured on zeros.
//   to  [words] two bfloat16 each
// fill_logits: float numbers, nearly normal with a standard deviation of 3, as a model's logits are.
// read: the plainest use of every byte once; a thread's sum is written only where it has one bit pattern, so
// that no read can be left out and nothing is written.
//   from   [vectors] 16 bytes each
// Grid-strided thread blocks. Bound by memory.

extern "C" __global__ void __launch_bounds__(256) fill(unsigned* to, long long words) {
  for (long long i = blockIdx.x * 256ll + threadIdx.x; i < words; i += gridDim.x * 256ll) {
    unsigned hash = static_cast<unsigned>(i) * 2654435761u ^ static_cast<unsigned>(i >> 32);
    hash = (hash ^ hash >> 15) * 0x2c1b3c6du;
    hash = (hash ^ hash >> 12) * 0x297a2d39u;
    const unsigned low = hash & 0x807f | 0x3f00, high = hash >> 16 & 0x807f | 0x3f00;
    to[i] = high << 16 | low;
  }
}

__device__ float uniform(unsigned i) {
  unsigned hash = i * 2654435761u;
  hash = (hash ^ hash >> 15) * 0x2c1b3c6du;
  hash = (hash ^ hash >> 12) * 0x297a2d39u;
  return static_cast<float>(hash ^ hash >> 15) * 2.3283064e-10f;
}

extern "C" __global__ void __launch_bounds__(256) fill_logits(float* to, long long count) {
  for (long long i = blockIdx.x * 256ll + threadIdx.x; i < count; i += gridDim.x * 256ll) {
    float sum = -3;  // of six uniform numbers
    for (int j = 0; j < 6; j++) sum += uniform(static_cast<unsigned>(i) * 6 + j);
    to[i] = sum * 4.2426f;
  }
}

extern "C" __global__ void __launch_bounds__(512)
    read(const uint4* __restrict__ from, long long vectors, unsigned* to) {
  unsigned sum = 0;
  const long long stride = gridDim.x * 512ll;
  long long i = blockIdx.x * 512ll + threadIdx.x;
  for (; i + 7 * stride < vectors; i += 8 * stride) {
    uint4 held[8];
#pragma unroll
    for (int j = 0; j < 8; j++) held[j] = __ldcs(from + i + j * stride);
#pragma unroll
    for (int j = 0; j < 8; j++) sum += held[j].x ^ held[j].y ^ held[j].z ^ held[j].w;
  }
  for (; i < vectors; i += stride) sum += from[i].x ^ from[i].y ^ from[i].z ^ from[i].w;
  if (sum == 0x9e3779b9u) *to = sum;
}
