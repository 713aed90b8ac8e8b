// Philox4x32-10 (Salmon et al., SC 2011) and the noise that Sampling/SamplingRng defines.
#pragma once

__device__ __forceinline__ uint4 philox(unsigned key_low, unsigned key_high, unsigned c0, unsigned c1) {
  unsigned c2 = 0, c3 = 0;
#pragma unroll
  for (int round = 0; round < 10; round++) {
    const unsigned long long a = 0xD2511F53ull * c0;
    const unsigned long long b = 0xCD9E8D57ull * c2;
    c0 = static_cast<unsigned>(b >> 32) ^ c1 ^ key_low;
    c1 = static_cast<unsigned>(b);
    c2 = static_cast<unsigned>(a >> 32) ^ c3 ^ key_high;
    c3 = static_cast<unsigned>(a);
    key_low += 0x9E3779B9u;
    key_high += 0xBB67AE85u;
  }
  return make_uint4(c0, c1, c2, c3);
}

// -log E with E = -log1p(-u) exponential and u = (bits + 0.5) 2^-32 in float, at most 1 - 2^-24.
__device__ __noinline__ double gumbel(unsigned bits) {
  const float u = fminf((__uint2float_rn(bits) + 0.5f) * 2.3283064365386963e-10f, 0.99999994f);
  return -log(-log1p(-static_cast<double>(u)));
}
