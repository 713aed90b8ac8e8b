// gather_rows: reads rows of a table by index, such as embeddings, or the hidden states to sample from.
//   table    [any, width] elements
//   indices  [rows] int32; a negative index gives zeros
//   result   [rows, width] elements
// One thread block for each row, 16 bytes for each access where the width allows. Bound by memory. Reference:
// ElementwiseKernelTests.
#include "common.cuh"

extern "C" __global__ void __launch_bounds__(256)
    gather_rows(const Element* __restrict__ table, const int* __restrict__ indices,
                Element* __restrict__ result, int width) {
  const int index = indices[blockIdx.x];
  const Element* from = table + static_cast<long long>(max(index, 0)) * width;
  Element* to = result + static_cast<long long>(blockIdx.x) * width;
  if (width % kVector == 0) {
    const uint4 zero = make_uint4(0, 0, 0, 0);
    for (int i = threadIdx.x; i < width / kVector; i += blockDim.x) {
      reinterpret_cast<uint4*>(to)[i] = index < 0 ? zero : reinterpret_cast<const uint4*>(from)[i];
    }
  } else {
    for (int i = threadIdx.x; i < width; i += blockDim.x) to[i] = index < 0 ? to_element(0.0f) : from[i];
  }
}
