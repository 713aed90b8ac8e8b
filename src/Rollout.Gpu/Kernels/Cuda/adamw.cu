// One step of AdamW for many parameters in one launch, and the norm of their gradients in another. The formulas and
// their order are those of Training/AdamW, in float.
//   pieces   [gridDim.x] parts of parameters with their state, written by Training/FusedAdamW
//   squares  [gridDim.x] double, written: the sum of the squares of each piece's gradient
//   broken   [gridDim.x] int32, written: 1 where a new weight is not finite, else 0
//   the others  the step's factors; see Training/AdamWRates
// One thread block a piece, 4 numbers an access. Bound by memory. Reference: FusedAdamWTests.
#include "pack.cuh"

struct Piece {
  Element* weight;  // what forward passes read: the master, rounded
  float* master;
  float* mean;
  float* square;
  float* gradient;
  int count;  // a multiple of 4, but for a parameter's last piece
  int decays;
};

constexpr int kThreads = 512;

extern "C" __global__ void __launch_bounds__(kThreads)
    gradient_squares(const Piece* __restrict__ pieces, double* __restrict__ squares) {
  const Piece piece = pieces[blockIdx.x];
  double sum = 0;
  for (int i = threadIdx.x; i < piece.count / 4; i += kThreads) {
    const auto g = load_pack<4>(piece.gradient, i);
    sum += g.at[0] * g.at[0] + g.at[1] * g.at[1] + g.at[2] * g.at[2] + g.at[3] * g.at[3];
  }
  const int rest = piece.count / 4 * 4 + threadIdx.x;
  if (rest < piece.count) sum += piece.gradient[rest] * piece.gradient[rest];
  __shared__ double partial[kThreads];
  partial[threadIdx.x] = sum;
  for (int half = kThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
  }
  if (threadIdx.x == 0) squares[blockIdx.x] = partial[0];
}

struct Rates {
  float gradient_scale, shrink, beta1, one_minus_beta1, beta2, one_minus_beta2, root_correction, epsilon,
      minus_step_size;
};

template <int N>
__device__ __forceinline__ bool update(const Piece& piece, const Rates& rates, int i) {
  const auto gradient = load_pack<N>(piece.gradient, i);
  auto master = load_pack<N>(piece.master, i);
  auto mean = load_pack<N>(piece.mean, i);
  auto square = load_pack<N>(piece.square, i);
  Pack<Element, N> weight;
  bool finite = true;
#pragma unroll
  for (int j = 0; j < N; j++) {
    const float g = gradient.at[j] * rates.gradient_scale;
    if (piece.decays) master.at[j] *= rates.shrink;
    mean.at[j] = mean.at[j] * rates.beta1 + g * rates.one_minus_beta1;
    square.at[j] = square.at[j] * rates.beta2 + g * g * rates.one_minus_beta2;
    const float divisor = sqrtf(square.at[j]) * rates.root_correction + rates.epsilon;
    master.at[j] += rates.minus_step_size * (mean.at[j] / divisor);
    weight.at[j] = to_element(master.at[j]);
    finite = finite && fabsf(to_float(weight.at[j])) < infinity();
  }
  store_pack<N>(piece.master, i, master);
  store_pack<N>(piece.mean, i, mean);
  store_pack<N>(piece.square, i, square);
  store_pack<N>(piece.weight, i, weight);
  return finite;
}

extern "C" __global__ void __launch_bounds__(kThreads)
    adamw_update(const Piece* __restrict__ pieces, int* __restrict__ broken, float gradient_scale, float shrink,
                 float beta1, float one_minus_beta1, float beta2, float one_minus_beta2, float root_correction,
                 float epsilon, float minus_step_size) {
  const Piece piece = pieces[blockIdx.x];
  const Rates rates = {gradient_scale,  shrink,          beta1,   one_minus_beta1, beta2,
                       one_minus_beta2, root_correction, epsilon, minus_step_size};
  bool finite = true;
  for (int i = threadIdx.x; i < piece.count / 4; i += kThreads) finite = update<4>(piece, rates, i) && finite;
  const int rest = piece.count / 4 * 4 + threadIdx.x;
  if (rest < piece.count) finite = update<1>(piece, rates, rest) && finite;
  const int all_finite = __syncthreads_and(finite);
  if (threadIdx.x == 0) broken[blockIdx.x] = all_finite ? 0 : 1;
}
