using Rollout.Gpu.Contracts;
using Rollout.Gpu.Training;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Training;

public sealed class GrpoLossTests
{
    public static TheoryData<LossType, double, double, double> Rules()
    {
        var rules = new TheoryData<LossType, double, double, double>();
        foreach (var type in Enum.GetValues<LossType>())
        {
            rules.Add(type, 0.2, 0.2, 0);
            rules.Add(type, 0.1, 0.28, 0);
            rules.Add(type, 0.2, 0.2, 0.04);
            rules.Add(type, 0.3, 5, 1);
        }

        return rules;
    }

    [Theory]
    [MemberData(nameof(Rules))]
    public void Loss_gradient_and_counts_equal_the_formula_in_plain_doubles(
        LossType type, double epsilon, double epsilonHigh, double beta)
    {
        for (var seed = 0; seed < 20; seed++)
        {
            var batch = RandomBatch.Of(seed);
            var weights = batch.Weights(type);
            using var scope = NewDisposeScope();
            var logprobs = tensor(batch.Logprobs, requires_grad: true);

            var actual = new GrpoLoss(epsilon, epsilonHigh, beta).Of(
                logprobs,
                tensor(batch.Old),
                beta == 0 ? null : tensor(batch.Reference),
                tensor(batch.Advantages),
                tensor(weights));
            actual.Loss.backward();

            Assert.Equal(batch.Loss(type, epsilon, epsilonHigh, beta), actual.Loss.item<double>(), 10);
            Assert.Equal(batch.Clipped(epsilon, epsilonHigh), actual.Clipped.item<double>());
            Assert.Equal(beta == 0 ? 0 : batch.Kl(), actual.Kl.item<double>(), 10);
            var gradient = logprobs.grad!.data<double>().ToArray();
            for (var i = 0; i < gradient.Length; i++)
                Assert.Equal(batch.Slope(i, type, epsilon, epsilonHigh, beta), gradient[i], 6);
        }
    }

    [Fact]
    public void Without_an_older_policy_the_gradient_is_that_of_the_policy_gradient()
    {
        using var scope = NewDisposeScope();
        var logprobs = tensor(new[] { -1.0, -20.0, -0.01 }, requires_grad: true);
        var advantages = tensor(new[] { 2.0, -1.0, 0.0 });
        var weights = tensor(new[] { 0.5, 0.25, 0.25 });

        var sums = new GrpoLoss(0.2, 0.2, 0).Of(logprobs, logprobs.detach(), null, advantages, weights);
        sums.Loss.backward();

        Assert.Equal([-1.0, 0.25, 0.0], logprobs.grad!.data<double>().ToArray());
        Assert.Equal(0, sums.Clipped.item<double>());
    }

    [Theory]
    [InlineData(1.5, 1, true)] // raised enough already
    [InlineData(1.5, -1, false)] // raised against its advantage: must come back
    [InlineData(0.5, -1, true)] // lowered enough already
    [InlineData(0.5, 1, false)]
    [InlineData(1.1, 1, false)]
    public void The_clip_stops_only_what_went_too_far_in_the_wanted_direction(
        double ratio, double advantage, bool stops)
    {
        using var scope = NewDisposeScope();
        var logprobs = tensor(new[] { Math.Log(ratio) }, requires_grad: true);

        var sums = new GrpoLoss(0.2, 0.2, 0).Of(
            logprobs, zeros(1, float64), null, tensor(new[] { advantage }), ones(1, float64));
        sums.Loss.backward();

        Assert.Equal(stops ? 0 : -ratio * advantage, logprobs.grad!.item<double>(), 12);
        Assert.Equal(stops ? 1 : 0, sums.Clipped.item<double>());
    }

    [Fact]
    public void A_masked_token_adds_nothing_whatever_it_holds()
    {
        using var scope = NewDisposeScope();
        var logprobs = tensor(new[] { -1.0, -9.0 }, requires_grad: true);

        var sums = new GrpoLoss(0.2, 0.2, 0.5).Of(
            logprobs, tensor(new[] { -1.0, -1.0 }), tensor(new[] { -2.0, -3.0 }),
            tensor(new[] { 1.0, -1.0 }), tensor(new[] { 1.0, 0.0 }));
        sums.Loss.backward();

        Assert.Equal(0, logprobs.grad![1].item<double>());
        Assert.Equal(0, sums.Clipped.item<double>());
        Assert.Equal(Math.Exp(-1) + 1 - 1, sums.Kl.item<double>(), 12);
    }

    [Fact]
    public void The_kl_estimate_keeps_its_digits_where_policies_nearly_agree()
    {
        using var scope = NewDisposeScope();
        var difference = 1e-3f;

        var sums = new GrpoLoss(0.2, 0.2, 1).Of(
            zeros(1), zeros(1), tensor(new[] { difference }), zeros(1), ones(1));

        // d²/2 + d³/6; e^d − d − 1 in float32 would be off by more than a tenth.
        Assert.Equal(5.0017e-7, sums.Kl.item<double>(), 5e-10);
    }

    [Fact]
    public void A_kl_term_without_a_reference_is_refused() =>
        Assert.Throws<ArgumentNullException>(
            () => new GrpoLoss(0.2, 0.2, 0.1).Of(zeros(1), zeros(1), null, zeros(1), ones(1)));

    [Fact]
    public void Weights_count_the_whole_batch_and_an_empty_completion_as_one_token()
    {
        Assert.Equal(1.0 / 4 / 5, new LossWeights(LossType.Grpo, 4, 20, 64).OfTokenIn(5));
        Assert.Equal(1.0 / 4, new LossWeights(LossType.Grpo, 4, 20, 64).OfTokenIn(0));
        Assert.Equal(1.0 / 4 / 64, new LossWeights(LossType.DrGrpo, 4, 20, 64).OfTokenIn(5));
        Assert.Equal(1.0 / 20, new LossWeights(LossType.Dapo, 4, 20, 64).OfTokenIn(5));
    }

    /// <summary>
    /// Sequences of random lengths, flat, and the loss of GRPO.md written down in plain doubles.
    /// </summary>
    private sealed record RandomBatch(
        int[] Lengths, double[] Logprobs, double[] Old, double[] Reference, double[] Advantages)
    {
        private const int MaxCompletionLength = 9;

        public static RandomBatch Of(int seed)
        {
            var random = new Random(seed);
            var lengths = Enumerable.Range(0, random.Next(1, 6)).Select(_ => random.Next(1, 9)).ToArray();
            double[] Values(double scale) =>
                [.. Enumerable.Range(0, lengths.Sum()).Select(_ => scale * ((2 * random.NextDouble()) - 1))];
            var logprobs = Values(1);
            return new RandomBatch(
                lengths,
                logprobs,
                [.. logprobs.Zip(Values(0.6), (own, shift) => own + shift)],
                [.. logprobs.Zip(Values(0.5), (own, shift) => own + shift)],
                [.. lengths.SelectMany(length => Enumerable.Repeat((4 * random.NextDouble()) - 2, length))]);
        }

        public double[] Weights(LossType type) =>
            [.. Lengths.SelectMany(length => Enumerable.Repeat(WeightsOf(type).OfTokenIn(length), length))];

        private LossWeights WeightsOf(LossType type) =>
            new(type, Lengths.Length, Lengths.Sum(), MaxCompletionLength);

        public double Loss(LossType type, double epsilon, double epsilonHigh, double beta) =>
            Loss(Logprobs, type, epsilon, epsilonHigh, beta);

        public double Slope(int token, LossType type, double epsilon, double epsilonHigh, double beta)
        {
            const double Width = 1e-6;
            double Moved(double by)
            {
                var logprobs = Logprobs.ToArray();
                logprobs[token] += by;
                return Loss(logprobs, type, epsilon, epsilonHigh, beta);
            }

            return (Moved(Width) - Moved(-Width)) / (2 * Width);
        }

        public double Clipped(double epsilon, double epsilonHigh) =>
            Enumerable.Range(0, Logprobs.Length).Count(i => Math.Exp(Logprobs[i] - Old[i]) is var ratio
                && (Advantages[i] < 0 ? ratio < 1 - epsilon : ratio > 1 + epsilonHigh));

        public double Kl() =>
            Enumerable.Range(0, Logprobs.Length).Sum(i => KThree(Reference[i] - Logprobs[i]));

        private double Loss(double[] logprobs, LossType type, double epsilon, double epsilonHigh, double beta)
        {
            var (total, next) = (0.0, 0);
            foreach (var length in Lengths)
            {
                var sum = 0.0;
                for (var end = next + length; next < end; next++)
                {
                    var ratio = Math.Exp(logprobs[next] - Old[next]);
                    var clipped = Math.Clamp(ratio, 1 - epsilon, 1 + epsilonHigh);
                    sum += -Math.Min(ratio * Advantages[next], clipped * Advantages[next])
                        + (beta * KThree(Reference[next] - logprobs[next]));
                }

                total += type == LossType.Grpo ? sum / length : sum;
            }

            return type switch
            {
                LossType.Grpo => total / Lengths.Length,
                LossType.DrGrpo => total / (Lengths.Length * MaxCompletionLength),
                _ => total / Lengths.Sum(),
            };
        }

        private static double KThree(double difference) => Math.Exp(difference) - difference - 1;
    }
}
