// rms_norm: result = round(x / sqrt(mean(x^2) + epsilon)) * weight, for each row.
// add_rms_norm: first residual += x, rounded to the element type; then the norm of that sum.
//   x, residual, result  [rows, width] elements; result may be x
//   weight               [width] elements
//   inverse_width        1 / width
// Mean and root are float, and the quotient is rounded before the weight, as in Models/RootMeanSquare. One
// thread block for each row, which stays in shared memory (4 * width bytes) between the two passes over it.
// Bound by memory. Reference: ElementwiseKernelTests.
#include "common.cuh"

extern __shared__ __align__(16) float row[];

template <bool kAdd>
__device__ __forceinline__ float take(const Element* x, Element* residual, int i) {
  float value = to_float(x[i]);
  if (kAdd) {
    const Element sum = to_element(to_float(residual[i]) + value);
    residual[i] = sum;
    value = to_float(sum);
  }
  row[i] = value;
  return value * value;
}

template <bool kAdd>
__device__ __forceinline__ float take_vector(const Element* x, Element* residual, int i) {
  Vector in, sum;
  in.raw = reinterpret_cast<const uint4*>(x)[i];
  if (kAdd) sum.raw = reinterpret_cast<const uint4*>(residual)[i];
  float squares = 0;
#pragma unroll
  for (int j = 0; j < kVector; j++) {
    float value = to_float(in.at[j]);
    if (kAdd) {
      sum.at[j] = to_element(to_float(sum.at[j]) + value);
      value = to_float(sum.at[j]);
    }
    row[i * kVector + j] = value;
    squares = fmaf(value, value, squares);
  }
  if (kAdd) reinterpret_cast<uint4*>(residual)[i] = sum.raw;
  return squares;
}

template <bool kAdd>
__device__ __forceinline__ void normalize(const Element* x, Element* residual, const Element* weight,
                                          Element* result, int width, float inverse_width, float epsilon) {
  const long long start = static_cast<long long>(blockIdx.x) * width;
  x += start;
  if (kAdd) residual += start;
  result += start;
  const bool vectors = width % kVector == 0;
  float squares = 0;
  if (vectors) {
    for (int i = threadIdx.x; i < width / kVector; i += blockDim.x)
      squares += take_vector<kAdd>(x, residual, i);
  } else {
    for (int i = threadIdx.x; i < width; i += blockDim.x) squares += take<kAdd>(x, residual, i);
  }
  const float scale = rsqrtf(epsilon + block_sum(squares) * inverse_width);
  if (vectors) {
    for (int i = threadIdx.x; i < width / kVector; i += blockDim.x) {
      Vector w, out;
      w.raw = reinterpret_cast<const uint4*>(weight)[i];
#pragma unroll
      for (int j = 0; j < kVector; j++) {
        out.at[j] = to_element(rounded(row[i * kVector + j] * scale) * to_float(w.at[j]));
      }
      reinterpret_cast<uint4*>(result)[i] = out.raw;
    }
  } else {
    for (int i = threadIdx.x; i < width; i += blockDim.x) {
      result[i] = to_element(rounded(row[i] * scale) * to_float(weight[i]));
    }
  }
}

extern "C" __global__ void __launch_bounds__(1024)
    rms_norm(const Element* x, const Element* __restrict__ weight, Element* result, int width,
             float inverse_width, float epsilon) {
  normalize<false>(x, nullptr, weight, result, width, inverse_width, epsilon);
}

extern "C" __global__ void __launch_bounds__(1024)
    add_rms_norm(const Element* x, Element* __restrict__ residual, const Element* __restrict__ weight,
                 Element* result, int width, float inverse_width, float epsilon) {
  normalize<true>(x, residual, weight, result, width, inverse_width, epsilon);
}
