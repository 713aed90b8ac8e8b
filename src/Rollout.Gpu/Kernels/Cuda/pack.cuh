// Elements that a thread reads or writes in one access, and sums over a thread block of two numbers at once.
#pragma once

#include "common.cuh"

// N numbers in one access of N * sizeof(T) bytes, 1, 2, 4, 8 or 16.
template <typename T, int N>
struct __align__(N * sizeof(T)) Pack {
  T at[N];
};

template <int N, typename T>
__device__ __forceinline__ Pack<T, N> load_pack(const T* from, long long i) {
  return reinterpret_cast<const Pack<T, N>*>(from)[i];
}

template <int N, typename T>
__device__ __forceinline__ void store_pack(T* to, long long i, const Pack<T, N>& pack) {
  reinterpret_cast<Pack<T, N>*>(to)[i] = pack;
}

// Returns both sums over all threads of a block to every thread. Blocks have whole warps.
__device__ __forceinline__ float2 block_sums(float a, float b) {
  __shared__ float2 partial[32];
  a = warp_sum(a);
  b = warp_sum(b);
  __syncthreads();  // the sums before were read
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = make_float2(a, b);
  __syncthreads();
  const bool mine = threadIdx.x % 32 < blockDim.x / 32;
  const float2 part = mine ? partial[threadIdx.x % 32] : make_float2(0.0f, 0.0f);
  return make_float2(warp_sum(part.x), warp_sum(part.y));
}
