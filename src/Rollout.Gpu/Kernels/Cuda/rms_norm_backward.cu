// rms_norm_backward: the gradient of y = round(x * r) * weight with r = 1 / sqrt(mean(x^2) + epsilon), by rows.
//   x, gradient  [rows, width] elements: the norm's input, and dLoss/dy
//   weight       [width] elements
//   result       [rows, width] elements: dLoss/dx = r (w dy) - x r^3 mean(w dy x), added to what is there if adds
//   partial      [gridDim.x, width] float, written: each block's sum over its rows of dy * round(x * r)
//   inverse_width  1 / width
// Each thread block takes every gridDim.x-th row, and keeps its sums in shared memory (4 * width bytes). Bound by
// memory. Reference: TrainingKernelTests.
#include "pack.cuh"

extern __shared__ __align__(16) float sums[];

template <int N>
__device__ __forceinline__ void backward(const Element* __restrict__ x, const Element* __restrict__ weight,
                                         const Element* __restrict__ gradient, Element* __restrict__ result,
                                         float* __restrict__ partial, int rows, int width, float inverse_width,
                                         float epsilon, int adds) {
  // The sum of number j of pack i is at j * packs + i. Only the thread of the pack uses it.
  const int packs = width / N;
  for (int i = threadIdx.x; i < packs; i += blockDim.x) {
    for (int j = 0; j < N; j++) sums[j * packs + i] = 0;
  }
  for (int row = blockIdx.x; row < rows; row += gridDim.x) {
    const long long start = static_cast<long long>(row) * packs;
    float squares = 0, products = 0;
    for (int i = threadIdx.x; i < packs; i += blockDim.x) {
      const auto in = load_pack<N>(x, start + i);
      const auto dy = load_pack<N>(gradient, start + i);
      const auto w = load_pack<N>(weight, i);
#pragma unroll
      for (int j = 0; j < N; j++) {
        const float value = to_float(in.at[j]);
        squares = fmaf(value, value, squares);
        products = fmaf(to_float(w.at[j]) * to_float(dy.at[j]), value, products);
      }
    }
    const float2 both = block_sums(squares, products);
    const float scale = rsqrtf(epsilon + both.x * inverse_width);
    const float pull = both.y * inverse_width * scale * scale * scale;
    for (int i = threadIdx.x; i < packs; i += blockDim.x) {
      const auto in = load_pack<N>(x, start + i);
      const auto dy = load_pack<N>(gradient, start + i);
      const auto w = load_pack<N>(weight, i);
      Pack<Element, N> out;
      if (adds) out = load_pack<N>(result, start + i);
#pragma unroll
      for (int j = 0; j < N; j++) {
        const float value = to_float(in.at[j]);
        const float slope = to_float(dy.at[j]);
        sums[j * packs + i] += slope * rounded(value * scale);
        const float own = scale * to_float(w.at[j]) * slope - value * pull;
        out.at[j] = to_element(adds ? to_float(out.at[j]) + own : own);
      }
      store_pack<N>(result, start + i, out);
    }
  }
  partial += static_cast<long long>(blockIdx.x) * width;
  for (int i = threadIdx.x; i < packs; i += blockDim.x) {
    for (int j = 0; j < N; j++) partial[i * N + j] = sums[j * packs + i];
  }
}

extern "C" __global__ void __launch_bounds__(512)
    rms_norm_backward(const Element* x, const Element* weight, const Element* gradient, Element* result,
                      float* partial, int rows, int width, float inverse_width, float epsilon, int adds) {
  if (width % kVector == 0) {
    backward<kVector>(x, weight, gradient, result, partial, rows, width, inverse_width, epsilon, adds);
  } else {
    backward<1>(x, weight, gradient, result, partial, rows, width, inverse_width, epsilon, adds);
  }
}
