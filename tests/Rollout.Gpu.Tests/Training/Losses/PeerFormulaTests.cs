using Rollout.Gpu.Contracts;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Training.Losses;

/// <summary>
/// Losses as TRL, verl and AReaL compute them, over padded [rows, width] tensors with autograd, against the settings that
/// docs/recipes.md says are equal to them.
/// </summary>
public sealed class PeerFormulaTests
{
    private const int Batches = 50;

    [Fact]
    public void Verls_vanilla_loss_with_dual_clip_is_token_mean_with_delta_and_a_clamp() => RequireEqual(
        LossRecipe.Of(LossType.Dapo) with { EpsilonHigh = 0.3, Delta = 3, LogRatioClamp = 20 },
        x =>
        {
            var ratio = (x.Logprobs - x.Old).clamp(-20, 20).exp();
            var plain = maximum(-x.Advantages * ratio, -x.Advantages * ratio.clamp(0.8, 1.3));
            var dual = minimum(-x.Advantages * 3, plain);
            return (where(x.Advantages < 0, dual, plain) * x.Mask).sum() / x.Mask.sum().clamp_min(1);
        });

    [Fact]
    public void Verls_gspo_is_gspo_under_any_aggregation() => RequireEqual(
        LossRecipe.Of(LossType.Gspo) with { Aggregation = LossAggregation.TokenMean },
        x =>
        {
            // The sequence's ratio as a value, with the gradient of each token's own log-probability.
            var mean = ((x.Logprobs - x.Old) * x.Mask).sum(1, keepdim: true) / x.Lengths;
            var ratio = (x.Logprobs - x.Logprobs.detach() + mean.detach()).exp();
            var loss = maximum(-x.Advantages * ratio, -x.Advantages * ratio.clamp(1 - 3e-4, 1 + 4e-4));
            return (loss * x.Mask).sum() / x.Mask.sum().clamp_min(1);
        });

    [Fact]
    public void Trls_luspo_is_gspo_with_the_sum_over_tokens() => RequireEqual(
        LossRecipe.Of(LossType.Gspo) with
        {
            Epsilon = 0.2,
            EpsilonHigh = 0.2,
            Aggregation = LossAggregation.SeqMeanTokenSum,
        },
        x =>
        {
            var ratio = (((x.Logprobs - x.Old) * x.Mask).sum(1, keepdim: true) / x.Lengths).exp(); // [rows, 1]
            var loss = -minimum(ratio * x.Advantages, ratio.clamp(0.8, 1.2) * x.Advantages);
            return (loss * x.Mask.sum(1, keepdim: true)).mean();
        });

    [Fact]
    public void Trls_rloo_is_the_mean_of_a_loss_for_each_completion()
    {
        // A completion without a token in the loss has ratio 1 there, and its advantage is added; here it adds nothing.
        RequireEqual(LossRecipe.Of(LossType.Rloo), x =>
        {
            var counted = x.Mask.sum(1).gt(0).to_type(float64); // [rows]
            var ratio = ((x.Logprobs - x.Old) * x.Mask).sum(1).exp(); // [rows]
            var advantages = x.Advantages.squeeze(1);
            var loss = -minimum(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages);
            return (loss * counted).mean();
        });
    }

    [Fact]
    public void Trls_cispo_bounds_the_ratio_at_one_plus_epsilon_high() => RequireEqual(
        LossRecipe.Of(LossType.Cispo) with { EpsilonHigh = 0.3 },
        x =>
        {
            var bounded = (x.Logprobs - x.Old).exp().clamp_max(1.3).detach();
            return (-bounded * x.Advantages * x.Logprobs * x.Mask).sum() / x.Mask.sum().clamp_min(1);
        });

    [Fact]
    public void Trls_sapo_gates_by_the_sign_of_the_advantage() => RequireEqual(
        LossRecipe.Of(LossType.Sapo),
        x =>
        {
            Tensor Gate(double tau) => ((x.Logprobs - x.Old).exp().sub(1) * tau).sigmoid() * (4 / tau);
            var loss = -where(x.Advantages > 0, Gate(1), Gate(1.05)) * x.Advantages;
            return ((loss * x.Mask).sum(1, keepdim: true) / x.Lengths).mean();
        });

    [Fact]
    public void Trls_default_correction_and_kl_term_are_sequence_mask_and_k3() => RequireEqual(
        LossRecipe.Of(LossType.Bnpo) with
        {
            Beta = 0.04,
            ImportanceCorrection = ImportanceCorrection.SequenceMask,
            ImportanceCap = 1.2,
        },
        x =>
        {
            var ratio = (x.Logprobs - x.Old).exp();
            var weight = ((x.Old - x.Sampler) * x.Mask).sum(1, keepdim: true).exp(); // [rows, 1]
            weight = weight.masked_fill(weight > 1.2, 0);
            var d = x.Reference - x.Logprobs;
            var loss = -minimum(ratio * x.Advantages, ratio.clamp(0.8, 1.2) * x.Advantages);
            loss = (loss * weight) + (0.04 * (d.exp() - d - 1));
            return (loss * x.Mask).sum() / x.Mask.sum().clamp_min(1);
        });

    [Fact]
    public void Areals_decoupled_loss_is_a_correction_of_each_token() => RequireEqual(
        LossRecipe.Of(LossType.Bnpo) with
        {
            ImportanceCorrection = ImportanceCorrection.TokenMask,
            ImportanceCap = 1.3,
        },
        x =>
        {
            var behaviour = (x.Old - x.Sampler).exp(); // proximal policy against the one that sampled
            var kept = x.Mask * (behaviour <= 1.3).to_type(float64);
            var ratio = (x.Logprobs - x.Old).exp();
            var loss = maximum(-x.Advantages * ratio, -x.Advantages * ratio.clamp(0.8, 1.2));
            return (loss * behaviour * kept).sum() / x.Mask.sum().clamp_min(1);
        });

    private static void RequireEqual(LossRecipe recipe, Func<Padded, Tensor> peer)
    {
        for (var seed = 0; seed < Batches; seed++)
        {
            using var scope = NewDisposeScope();
            var batch = LossBatch.Random(seed);
            var padded = Padded.Of(batch);
            var expected = peer(padded);
            expected.backward();
            var slopes = padded.Logprobs.grad!;

            var actual = batch.Run(recipe);

            Assert.Equal(expected.item<double>(), actual.Loss, 1e-10);
            for (var i = 0; i < batch.Rows; i++)
            {
                for (var t = 0; t < batch.Mask[i].Length; t++)
                    Assert.Equal(slopes[i, t].item<double>(), actual.Gradient[i][t], 1e-10);
            }
        }
    }

    /// <summary>A batch as [rows, width]; <c>Advantages</c> and <c>Lengths</c> (at least 1) are [rows, 1].</summary>
    private sealed record Padded(
        Tensor Logprobs, Tensor Old, Tensor Sampler, Tensor Reference, Tensor Mask, Tensor Advantages)
    {
        public Tensor Lengths => Mask.sum(1, keepdim: true).clamp_min(1);

        public static Padded Of(LossBatch batch)
        {
            var width = batch.Mask.Max(row => row.Length);
            Tensor Rows(double[][] values)
            {
                var all = new double[values.Length, width];
                for (var i = 0; i < values.Length; i++)
                {
                    for (var t = 0; t < values[i].Length; t++)
                        all[i, t] = values[i][t];
                }

                return tensor(all);
            }

            return new(
                Rows(batch.Logprobs).requires_grad_(),
                Rows(batch.Old),
                Rows(batch.Sampler),
                Rows(batch.Reference),
                Rows([.. batch.Mask.Select(row => row.Select(counted => counted ? 1.0 : 0).ToArray())]),
                tensor(batch.Advantages).unsqueeze(1));
        }
    }
}
