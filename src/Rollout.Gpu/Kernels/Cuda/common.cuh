// Code that all kernels share: the element type of activations, weights and cache, 16-byte access,
// reductions.
//
// ROLLOUT_BF16 selects bfloat16 (1) or float (0). NVRTC has no cuda_bf16.h: bfloat16 is the upper half of a
// float, and rounding to it is one instruction from sm_80 on.
#pragma once

#if ROLLOUT_BF16
struct __align__(2) Element {
  unsigned short bits;
};

__device__ __forceinline__ float to_float(Element value) {
  return __uint_as_float(static_cast<unsigned>(value.bits) << 16);
}

// Rounds to nearest, ties to even, as torch does.
__device__ __forceinline__ Element to_element(float value) {
  Element rounded;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(rounded.bits) : "f"(value));
  return rounded;
}
#else
using Element = float;

__device__ __forceinline__ float to_float(Element value) { return value; }

__device__ __forceinline__ Element to_element(float value) { return value; }
#endif

// A value rounded to the model's type.
__device__ __forceinline__ float rounded(float value) { return to_float(to_element(value)); }

// The elements of one 16-byte access.
constexpr int kVector = 16 / sizeof(Element);

union Vector {
  uint4 raw;
  Element at[kVector];
};

constexpr float kLog2E = 1.4426950408889634f;

// 2^x with an error of two units in the last place; 0 for -inf.
__device__ __forceinline__ float exp2_fast(float x) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}

__device__ __forceinline__ float log2_fast(float x) {
  float result;
  asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}

__device__ __forceinline__ float infinity() { return __int_as_float(0x7f800000); }

__device__ __forceinline__ double double_infinity() { return __longlong_as_double(0x7ff0000000000000ll); }

__device__ __forceinline__ float warp_sum(float value) {
#pragma unroll
  for (int lane = 16; lane > 0; lane /= 2) value += __shfl_xor_sync(0xffffffff, value, lane);
  return value;
}

// Returns the sum over all threads of a block to every thread. Blocks have whole warps and at most 1024
// threads. No thread may call it again before all have returned and passed a barrier.
__device__ __forceinline__ float block_sum(float value) {
  __shared__ float partial[32];
  value = warp_sum(value);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = value;
  __syncthreads();
  return warp_sum(threadIdx.x % 32 < blockDim.x / 32 ? partial[threadIdx.x % 32] : 0.0f);
}
