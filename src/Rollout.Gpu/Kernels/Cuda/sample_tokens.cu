// sample_tokens: draws tokens from logits by the rules of Sampling/SamplingRng, with their log-probabilities.
// Of the tokens that top-k, top-p and min-p keep, it takes the one with the largest logit / temperature - log
// E, the lowest id on ties. E is exponential noise from Philox under the sequence's key at (token / 4,
// position). Temperature 0 takes the largest logit. No logit leaves the device.
//   logits    [rows, stride] elements, of which vocabulary are read
//   draws     [draws, 8] int32: row of logits, position, key (low, high), temperature, top_k, top_p, min_p
//   counts    [16] int32; counts[2] draws are valid
//   tokens    [draws] int32, written; -1 where the row has NaN, +inf or nothing finite, or no token won
//   logprobs  [draws] float, written; natural, under this temperature (1 for temperature 0), before any filter;
//             NaN where the token is -1
//   sampling_logprobs  [draws] float, written; the same among the tokens that the filters keep
// One thread block for each draw. Without filters a row is read once, for maximum, sum and race together. A
// token whose uniform variable u is above weight * exp(most - best score) can't win, since E >= u. So most
// tokens cost their random bits and one comparison, but no logarithm. Bound by memory and the noise's
// arithmetic. Reference: SampleTokensTests.
#include "philox.cuh"
#include "sample_filter.cuh"

struct DrawOf {
  int row, position;
  unsigned key_low, key_high;
  float temperature;
  int top_k;
  float top_p, min_p;
};

// The random word of token i of a run; bits holds the run's two Philox outputs.
__device__ __forceinline__ unsigned word_of(const uint4 (&bits)[2], int i) {
  const uint4 words = bits[i / 4];
  return i % 4 == 0 ? words.x : i % 4 == 1 ? words.y : i % 4 == 2 ? words.z : words.w;
}

// The race of one warp. Warps share their best scores through shared memory.
struct Race {
  Scored best;        // of each lane
  float best_so_far;  // in powers of two, at most the block's best score; equal in all lanes
  float limit;        // a token with u above weight * limit can't win

  __device__ __forceinline__ void start(float most) {
    best = {-double_infinity(), 0x7fffffff};
    best_so_far = -3e38f;
    set_limit(most);
  }

  __device__ __forceinline__ void set_limit(float most) {
    // Rounding of logit * c grows with its size. A limit that is too high costs logarithms and nothing else.
    limit = exp2_fast(fminf(most - best_so_far + 0.002f + fabsf(most) * 4e-7f, 120.0f));
  }

  // Adopts the best score of the block's warps. told is in shared memory.
  __device__ __forceinline__ void hear(const volatile float* told, float most) {
    const float others = *told;
    if (others > best_so_far) {
      best_so_far = others;
      set_limit(most);
    }
  }

  // A cheap lower bound of the run's best score, from E <= u / (1 - u).
  __device__ __forceinline__ void guess(const float (&run)[kRun], const uint4 (&bits)[2], float c,
                                        float most) {
    float reached = -3e38f;
#pragma unroll
    for (int i = 0; i < kRun; i++) {
      const float u = fminf((__uint2float_ru(word_of(bits, i)) + 1.0f) * 2.3283064e-10f, 1.0f);
      reached = fmaxf(reached, fmaf(run[i], c, log2_fast((1.0f - u) / u)));
    }
#pragma unroll
    for (int other = 16; other > 0; other /= 2)
      reached = fmaxf(reached, __shfl_xor_sync(0xffffffff, reached, other));
    best_so_far = reached - 0.01f - fabsf(reached) * 1e-6f;
    set_limit(most);
  }

  // Enters the lanes' candidates, one bit for each token of their runs. Called by all lanes of the warp.
  __device__ __forceinline__ void enter(unsigned candidates, int first, const float (&run)[kRun],
                                        const uint4 (&bits)[2], float temperature, float most,
                                        volatile float* told) {
    if (!__any_sync(0xffffffff, candidates != 0)) return;
    while (candidates != 0) {
      const int i = __ffs(candidates) - 1;
      candidates &= candidates - 1;
      float logit = run[0];
      unsigned word = word_of(bits, 0);
#pragma unroll
      for (int j = 1; j < kRun; j++) {
        logit = i == j ? run[j] : logit;
        word = i == j ? word_of(bits, j) : word;
      }
      best.take(static_cast<double>(logit / temperature) + gumbel(word), first + i);
    }
    __syncwarp();
    float score = static_cast<float>(best.score * 1.4426950408889634);
#pragma unroll
    for (int other = 16; other > 0; other /= 2)
      score = fmaxf(score, __shfl_xor_sync(0xffffffff, score, other));
    if (score > best_so_far) {
      best_so_far = score;
      if (threadIdx.x % 32 == 0 && score > *told) *told = score;  // losing a concurrent write is harmless
      set_limit(most);
    }
  }
};

// Whether u can be as small as limit. u's upper 23 bits decide, as the mantissa of a float in 1 ... 2, which
// needs no conversion. Rounding 1 + limit to such a mantissa never excludes a token that can win.
__device__ __forceinline__ bool can_win(unsigned word, float limit) {
  return __uint_as_float(word >> 9 | 0x3f800000u) <= 1.0f + limit;
}

// Computes softmax and arg-max of the row.
__device__ __forceinline__ void take_row(const Row& row, float temperature, Softmax& softmax, Scored& best) {
  const float c = kLog2E / temperature;
  softmax = {-3e38f, 0.0f};
  float top = -infinity();
  int token = 0x7fffffff;
  row.each([&](int first, const float(&run)[kRun]) {
    float most = run[0];
#pragma unroll
    for (int i = 1; i < kRun; i++) most = fmaxf(most, run[i]);
    if (most > top) {
      top = most;
#pragma unroll
      for (int i = kRun - 1; i >= 0; i--) token = run[i] == most ? first + i : token;
    }
    softmax.raise(most * c);
#pragma unroll
    for (int i = 0; i < kRun; i++) softmax.sum += exp2_fast(fmaf(run[i], c, -softmax.most));
  });
  best = {top, token};
}

// Computes softmax and race over the whole row in one pass.
__device__ __forceinline__ void race_all(const Row& row, const DrawOf& draw, Softmax& softmax, Scored& best) {
  const float c = kLog2E / draw.temperature;
  softmax = {-3e38f, 0.0f};
  __shared__ float told;
  if (threadIdx.x == 0) told = -3e38f;
  __syncthreads();
  Race race;
  race.start(softmax.most);
  row.each([&](int first, const float(&run)[kRun]) {
    const uint4 bits[2] = {philox(draw.key_low, draw.key_high, first / 4, draw.position),
                           philox(draw.key_low, draw.key_high, first / 4 + 1, draw.position)};
    float most = run[0];
#pragma unroll
    for (int i = 1; i < kRun; i++) most = fmaxf(most, run[i]);
    if (softmax.raise(most * c)) race.set_limit(softmax.most);
    if (first < kSampleThreads * kRun) race.guess(run, bits, c, softmax.most);
    race.hear(&told, softmax.most);
    unsigned candidates = 0;
#pragma unroll
    for (int i = 0; i < kRun; i++) {
      const float weight = exp2_fast(fmaf(run[i], c, -softmax.most));
      softmax.sum += weight;
      if (can_win(word_of(bits, i), weight * race.limit)) candidates |= 1u << i;
    }
    race.enter(candidates, first, run, bits, draw.temperature, softmax.most, &told);
  });
  best = race.best;
}

// The winner among the kept tokens, and the sum of their 2^(logit * c - most).
struct Kept {
  Scored best;
  double sum;
};

// Races the kept tokens. top is the largest logit. best is this thread's, sum the block's.
__device__ __noinline__ Kept race_kept(const Row row, const DrawOf draw, const Edge edge, float top) {
  const float c = kLog2E / draw.temperature, largest = top / draw.temperature;
  __shared__ float told;
  if (threadIdx.x == 0) told = -3e38f;
  __syncthreads();
  Race race;
  race.start(top * c);
  float sum = 0;
  row.each([&](int first, const float(&run)[kRun]) {
    unsigned kept = 0;
#pragma unroll
    for (int i = 0; i < kRun; i++)
      if (first + i < row.vocabulary && edge.keeps(descending(run[i]), first + i)) kept |= 1u << i;
    if (!__any_sync(0xffffffff, kept != 0)) return;
    const uint4 bits[2] = {philox(draw.key_low, draw.key_high, first / 4, draw.position),
                           philox(draw.key_low, draw.key_high, first / 4 + 1, draw.position)};
    race.hear(&told, top * c);
    unsigned candidates = 0;
#pragma unroll
    for (int i = 0; i < kRun; i++) {
      const float weight = exp2_fast(fmaf(run[i], c, -top * c));
      // The largest logit is always kept, even where min_p is 1 and the quotient is rounded.
      const bool strong =
          draw.min_p <= 0 || run[i] == top || expf(run[i] / draw.temperature - largest) >= draw.min_p;
      if (!(kept >> i & 1) || !strong) continue;
      sum += weight;
      if (can_win(word_of(bits, i), weight * race.limit)) candidates |= 1u << i;
    }
    race.enter(candidates, first, run, bits, draw.temperature, top * c, &told);
  });
  double sums[1] = {sum};
  block_sums(sums);
  return {race.best, sums[0]};
}

extern "C" __global__ void __launch_bounds__(kSampleThreads, 2)
    sample_tokens(const Element* __restrict__ logits, const DrawOf* __restrict__ draws,
                  const int* __restrict__ counts, int* __restrict__ tokens, float* __restrict__ logprobs,
                  float* __restrict__ sampling_logprobs, int vocabulary, int stride) {
  if (blockIdx.x >= counts[2]) return;
  const DrawOf draw = draws[blockIdx.x];
  const bool greedy = draw.temperature == 0;
  const float temperature = greedy ? 1.0f : draw.temperature;
  const bool ordered = !greedy && (draw.top_p < 1 || (draw.top_k > 0 && draw.top_k < vocabulary));
  const bool filtered = ordered || (!greedy && draw.min_p > 0);
  const Row row = {logits + static_cast<long long>(draw.row) * stride, vocabulary, stride % kVector == 0};

  Softmax softmax;
  Scored best = {-double_infinity(), 0x7fffffff};
  if (greedy || filtered) {
    take_row(row, temperature, softmax, best);
  } else {
    race_all(row, draw, softmax, best);
  }
  softmax = block_softmax(softmax);
  best = block_best(best);
  // NaN or +inf makes the sum NaN. Where all logits are -inf, the maximum stays at its start.
  const bool finite =
      softmax.sum > 0 && softmax.sum < infinity() && softmax.most > -3e38f && softmax.most < 3e38f;

  double kept_sum = softmax.sum;
  if (finite && filtered) {
    const float top = static_cast<float>(best.score);
    const Edge edge = ordered ? find_edge(row, draw.top_k, draw.top_p, temperature, top, softmax.sum)
                              : Edge{kNoKey, vocabulary, 0};
    const Kept kept = race_kept(row, draw, edge, top);
    kept_sum = kept.sum;
    best = block_best(kept.best);
  }

  if (threadIdx.x == 0) {
    // Rounding can leave a race without candidates, and so without a winner.
    const bool drawn = finite && best.score > -double_infinity();
    tokens[blockIdx.x] = drawn ? best.token : -1;
    float logprob = __int_as_float(0x7fc00000), sampling_logprob = logprob;
    if (drawn) {
      const double scaled = static_cast<double>(to_float(row.logits[best.token])) * (kLog2E / temperature);
      const double below = scaled - softmax.most;  // the largest logit
      logprob = static_cast<float>((below - log2(static_cast<double>(softmax.sum))) * 0.6931471805599453);
      // A token that is kept alone has probability 1, also where its weight was rounded.
      sampling_logprob =
          filtered ? static_cast<float>(fmin(0.0, below - log2(kept_sum)) * 0.6931471805599453) : logprob;
    }
    logprobs[blockIdx.x] = logprob;
    sampling_logprobs[blockIdx.x] = sampling_logprob;
  }
}
