// The operations of training that move rows.
//
// training_angles: what each layer needs of each token.
//   positions    [tokens] int32, places in their sequences
//   frequencies  [head_dim / 2] float, radians per position
//   angles       [tokens, head_dim / 2] float2, written: cosine and sine, rounded to the element type
// scale_rows: x [rows, width] elements, each row times its factor [rows] float, in place.
// scatter_rows: result [gridDim.x, width] elements; a row is the sum of those of from [any, width] float that it
//   owns, each times its factor [any] float. Row r owns order[start[r]] ... order[start[r + 1] - 1].
// add_embedding: to result [vocab, width] float, at row ids[b], the sum of the rows of from [tokens, width] elements
//   that block b owns, as in scatter_rows. Every id is named once, so that the order of sums is always the same.
// add_column_sums: result [width] float += the sum of the rows of partial [rows, width] float.
// add_bias_gradient: the same of gradient [rows, width] elements.
// Bound by memory. Reference: TrainingKernelTests.
#include "pack.cuh"

extern "C" __global__ void __launch_bounds__(64)
    training_angles(const int* __restrict__ positions, const float* __restrict__ frequencies,
                    float2* __restrict__ angles, int half) {
  const float position = static_cast<float>(positions[blockIdx.x]);
  for (int i = threadIdx.x; i < half; i += blockDim.x) {
    float sine, cosine;
    sincosf(position * frequencies[i], &sine, &cosine);
    angles[static_cast<long long>(blockIdx.x) * half + i] = make_float2(rounded(cosine), rounded(sine));
  }
}

extern "C" __global__ void __launch_bounds__(256)
    scale_rows(Element* __restrict__ x, const float* __restrict__ factors, int width) {
  Element* own = x + static_cast<long long>(blockIdx.x) * width;
  const float factor = factors[blockIdx.x];
  for (int i = threadIdx.x; i < width; i += blockDim.x) own[i] = to_element(to_float(own[i]) * factor);
}

extern "C" __global__ void __launch_bounds__(256)
    scatter_rows(const float* __restrict__ from, const float* __restrict__ factors, const int* __restrict__ order,
                 const int* __restrict__ start, Element* __restrict__ result, int width) {
  const int first = start[blockIdx.x], end = start[blockIdx.x + 1];
  for (int i = threadIdx.x; i < width; i += blockDim.x) {
    float sum = 0;
    for (int k = first; k < end; k++) {
      const long long row = order[k];
      sum += factors[row] * from[row * width + i];
    }
    result[static_cast<long long>(blockIdx.x) * width + i] = to_element(sum);
  }
}

extern "C" __global__ void __launch_bounds__(256)
    add_embedding(const Element* __restrict__ from, const int* __restrict__ order, const int* __restrict__ start,
                  const int* __restrict__ ids, float* __restrict__ result, int width) {
  const int first = start[blockIdx.x], end = start[blockIdx.x + 1];
  float* to = result + static_cast<long long>(ids[blockIdx.x]) * width;
  for (int i = threadIdx.x; i < width; i += blockDim.x) {
    float sum = 0;
#pragma unroll 4
    for (int k = first; k < end; k++) sum += to_float(from[static_cast<long long>(order[k]) * width + i]);
    to[i] += sum;
  }
}

__device__ __forceinline__ float wide(float value) { return value; }

#if ROLLOUT_BF16
__device__ __forceinline__ float wide(Element value) { return to_float(value); }
#endif

template <typename T>
__device__ __forceinline__ void add_columns(const T* __restrict__ from, float* __restrict__ result, int rows,
                                            int width) {
  __shared__ float of_warp[8][32];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int column = blockIdx.x * 32 + lane;
  float sum = 0;
  if (column < width) {
    for (int row = warp; row < rows; row += 8) sum += wide(from[static_cast<long long>(row) * width + column]);
  }
  of_warp[warp][lane] = sum;
  __syncthreads();
  if (warp != 0 || column >= width) return;
  for (int w = 1; w < 8; w++) sum += of_warp[w][lane];
  result[column] += sum;
}

extern "C" __global__ void __launch_bounds__(256)
    add_column_sums(const float* __restrict__ partial, float* __restrict__ result, int rows, int width) {
  add_columns(partial, result, rows, width);
}

extern "C" __global__ void __launch_bounds__(256)
    add_bias_gradient(const Element* __restrict__ gradient, float* __restrict__ result, int rows, int width) {
  add_columns(gradient, result, rows, width);
}
