using System.Numerics;
using FsCheck;
using FsCheck.Fluent;
using Rollout.Actors.Training;
using Xunit;

namespace Rollout.Actors.Tests.Training;

public sealed class SampledScoresTests
{
    /// <summary>n, and numbers c and k that fit it.</summary>
    private static readonly Arbitrary<(int Samples, int Right, int K)> Cases = (
        from samples in Gen.Choose(1, 300)
        from right in Gen.Choose(0, samples)
        from k in Gen.Choose(1, samples)
        select (samples, right, k)).ToArbitrary();

    [Theory]
    [InlineData(5, 2, 1, 0.4)]
    [InlineData(5, 2, 2, 0.7)] // C(3,2) / C(5,2) = 3 / 10
    [InlineData(4, 1, 2, 0.5)]
    [InlineData(4, 0, 4, 0)]
    [InlineData(4, 1, 4, 1)]
    [InlineData(1, 1, 1, 1)]
    public void Pass_at_k_of_small_numbers_is_that_of_a_hand(int samples, int right, int k, double expected) =>
        Assert.Equal(expected, SampledScores.PassAt(samples, right, k), 15);

    [Fact]
    public void Pass_at_k_is_one_minus_the_ratio_of_binomials_in_whole_numbers() =>
        Prop.ForAll(Cases, one =>
        {
            var (all, none) = (Choose(one.Samples, one.K), Choose(one.Samples - one.Right, one.K));
            // A double of the exact fraction, with 18 digits.
            var exact = (double)((all - none) * BigInteger.Pow(10, 18) / all) / 1e18;
            return Math.Abs(SampledScores.PassAt(one.Samples, one.Right, one.K) - exact) < 1e-12;
        }).Holds(runs: 500);

    [Fact]
    public void Pass_at_k_is_the_share_of_choices_of_k_samples_that_hold_a_right_one()
    {
        for (var samples = 1; samples <= 8; samples++)
        {
            for (var right = 0; right <= samples; right++)
            {
                for (var k = 1; k <= samples; k++)
                {
                    // A bit a sample; the lowest ones are right.
                    int[] choices = [.. Enumerable.Range(0, 1 << samples).Where(choice => BitOperations.PopCount((uint)choice) == k)];
                    var hits = choices.Count(choice => (choice & ((1 << right) - 1)) != 0);
                    Assert.Equal((double)hits / choices.Length, SampledScores.PassAt(samples, right, k), 12);
                }
            }
        }
    }

    [Fact]
    public void Pass_at_k_is_the_share_for_1_and_grows_with_k_and_with_the_right_samples() =>
        Prop.ForAll(Cases, one =>
        {
            var (n, right, k) = one;
            var pass = SampledScores.PassAt(n, right, k);
            const double rounding = 1e-12;
            return pass is >= 0 and <= 1
                && Math.Abs(SampledScores.PassAt(n, right, 1) - ((double)right / n)) < rounding
                && SampledScores.PassAt(n, right, n) == (right > 0 ? 1 : 0)
                && (k == n || SampledScores.PassAt(n, right, k + 1) >= pass - rounding)
                && (right == n || SampledScores.PassAt(n, right + 1, k) >= pass - rounding);
        }).Holds(runs: 500);

    [Fact]
    public void The_scores_of_a_set_are_means_over_its_prompts()
    {
        var scores = SampledScores.Of([0, 2, 4], samples: 4, passAt: [1, 2]);

        Assert.Equal((4, 0.5), (scores.Samples, scores.Mean));
        Assert.Equal([1, 2], scores.PassAt.Select(one => one.K));
        Assert.Equal(0.5, scores.PassAt[0].Share, 15);
        Assert.Equal((0 + (1 - (1 / 6.0)) + 1) / 3, scores.PassAt[1].Share, 15);
    }

    [Theory]
    [InlineData(4, 5, 1)]
    [InlineData(4, -1, 1)]
    [InlineData(4, 2, 0)]
    [InlineData(4, 2, 5)]
    [InlineData(0, 0, 1)]
    public void Numbers_that_do_not_fit_are_refused(int samples, int right, int k) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => SampledScores.PassAt(samples, right, k));

    private static BigInteger Choose(int n, int k) =>
        Enumerable.Range(1, k).Aggregate(BigInteger.One, (product, i) => product * (n - k + i) / i);
}
