// silu_mul_backward: the gradient of silu(gate) * up.
//   gate_up   [rows, 2 * width] elements: gate, then up
//   gradient  [rows, width] elements, dLoss/dresult
//   result    [rows, 2 * width] elements, written: dLoss/dgate, then dLoss/dup
// With s = sigmoid(gate): dup = dy gate s, dgate = dy up s (1 + gate (1 - s)). Each thread computes 16 bytes where
// the width allows; thread blocks (rows, columns). Bound by memory. Reference: TrainingKernelTests.
#include "pack.cuh"

template <int N>
__device__ __forceinline__ void backward(const Element* gate_up, const Element* gradient, Element* result,
                                         long long row, int packs, int i) {
  if (i >= packs) return;
  const auto gate = load_pack<N>(gate_up, 2 * row * packs + i);
  const auto up = load_pack<N>(gate_up, (2 * row + 1) * packs + i);
  const auto dy = load_pack<N>(gradient, row * packs + i);
  Pack<Element, N> dgate, dup;
#pragma unroll
  for (int j = 0; j < N; j++) {
    const float g = to_float(gate.at[j]), slope = to_float(dy.at[j]);
    const float s = 1.0f / (1.0f + expf(-g));
    dup.at[j] = to_element(slope * rounded(g * s));
    dgate.at[j] = to_element(slope * to_float(up.at[j]) * s * (1.0f + g * (1.0f - s)));
  }
  store_pack<N>(result, 2 * row * packs + i, dgate);
  store_pack<N>(result, (2 * row + 1) * packs + i, dup);
}

extern "C" __global__ void __launch_bounds__(256)
    silu_mul_backward(const Element* __restrict__ gate_up, const Element* __restrict__ gradient,
                      Element* __restrict__ result, int width) {
  const long long row = blockIdx.x;
  const int i = blockIdx.y * blockDim.x + threadIdx.x;
  if (width % kVector == 0) {
    backward<kVector>(gate_up, gradient, result, row, width / kVector, i);
  } else {
    for (int k = i * kVector; k < (i + 1) * kVector; k++) backward<1>(gate_up, gradient, result, row, width, k);
  }
}
