// prepare_step: computes what every layer needs of each token, from what the host tells about each row.
//   counts           [16] int32: tokens, rows, ... of this step (StepInputs)
//   token_ids        [tokens] int32; a negative id ~d is the token that draw d of the step before sampled
//   query_start      [rows + 1] int32, the first token of each row
//   context_lengths  [rows] int32, how many tokens the row's last token attends to, itself included
//   table_start      [rows + 1] int32, where each row's block table begins
//   block_tables     the tables, one after another
//   sampled          [draws of the step before] int32; -1 where a draw could not be sampled
//   frequencies      [head_dim / 2] float, radians per position
// Written, for every token of the padded batch:
//   tokens, positions, slots  [padded_tokens] int32; padding gets token 0, position 0 and slot -1
//   angles                    [padded_tokens, head_dim / 2] float2: cosine and sine, rounded to the element type
// One thread block for each token. Bound by latency. Reference: PrepareStepTests.
#include "common.cuh"

constexpr int kHalf = ROLLOUT_HEAD_DIM / 2;

__device__ int row_of(int token, int rows, const int* query_start) {
  // In a decode step every row is one token.
  if (token < rows && query_start[token] == token && query_start[token + 1] == token + 1) return token;
  int first = 0, end = rows;
  while (end - first > 1) {
    const int middle = (first + end) / 2;
    if (query_start[middle] <= token) {
      first = middle;
    } else {
      end = middle;
    }
  }
  return first;
}

extern "C" __global__ void __launch_bounds__(64)
    prepare_step(const int* __restrict__ counts, const int* __restrict__ token_ids,
                 const int* __restrict__ query_start, const int* __restrict__ context_lengths,
                 const int* __restrict__ table_start, const int* __restrict__ block_tables,
                 const int* __restrict__ sampled, const float* __restrict__ frequencies,
                 int* __restrict__ tokens, int* __restrict__ positions, int* __restrict__ slots,
                 float2* __restrict__ angles) {
  const int token = blockIdx.x;
  const bool padding = token >= counts[0];
  int position = 0;
  if (!padding) {
    const int row = row_of(token, counts[1], query_start);
    position = context_lengths[row] - (query_start[row + 1] - token);
    if (threadIdx.x == 0) {
      const int id = token_ids[token];
      const int block = block_tables[table_start[row] + position / ROLLOUT_BLOCK_SIZE];
      tokens[token] = id >= 0 ? id : max(sampled[~id], 0);
      slots[token] = block * ROLLOUT_BLOCK_SIZE + position % ROLLOUT_BLOCK_SIZE;
    }
  } else if (threadIdx.x == 0) {
    tokens[token] = 0;
    slots[token] = -1;
  }
  if (threadIdx.x == 0) positions[token] = position;
  for (int i = threadIdx.x; i < kHalf; i += blockDim.x) {
    float sine, cosine;
    sincosf(static_cast<float>(position) * frequencies[i], &sine, &cosine);
    angles[static_cast<long long>(token) * kHalf + i] = make_float2(rounded(cosine), rounded(sine));
  }
}
