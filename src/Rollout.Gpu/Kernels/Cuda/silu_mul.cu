// silu_mul: the gate of SwiGLU, result = round(silu(gate)) * up.
//   gate_up  [rows, 2 * width] elements: gate, then up
//   result   [rows, width] elements
// Each thread computes 16 bytes of the result where the width allows; thread blocks (columns, rows). Bound by
// memory. Reference: ElementwiseKernelTests.
#include "common.cuh"

__device__ __forceinline__ Element gated(Element gate, Element up) {
  const float x = to_float(gate);
  return to_element(rounded(x / (1.0f + expf(-x))) * to_float(up));
}

extern "C" __global__ void __launch_bounds__(256)
    silu_mul(const Element* __restrict__ gate_up, Element* __restrict__ result, int width) {
  const long long row = blockIdx.x;
  const Element* gate = gate_up + row * 2 * width;
  const Element* up = gate + width;
  Element* out = result + row * width;
  const int i = blockIdx.y * blockDim.x + threadIdx.x;
  if (width % kVector == 0) {
    if (i >= width / kVector) return;
    Vector g, u, r;
    g.raw = reinterpret_cast<const uint4*>(gate)[i];
    u.raw = reinterpret_cast<const uint4*>(up)[i];
#pragma unroll
    for (int j = 0; j < kVector; j++) r.at[j] = gated(g.at[j], u.at[j]);
    reinterpret_cast<uint4*>(out)[i] = r.raw;
  } else {
    for (int j = i * kVector; j < min(width, (i + 1) * kVector); j++) out[j] = gated(gate[j], up[j]);
  }
}
