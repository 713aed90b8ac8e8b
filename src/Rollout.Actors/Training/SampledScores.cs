using Rollout.Actors.Protocol;

namespace Rollout.Actors.Training;

/// <summary>mean@k and pass@k: what several samples of each prompt say about a policy.</summary>
internal static class SampledScores
{
    /// <summary>The scores of a set, each a mean over its prompts.</summary>
    /// <param name="right">How many of the samples of each prompt are right; at least one prompt.</param>
    /// <param name="samples">n, the samples of each prompt, at least 1.</param>
    /// <param name="passAt">The k of pass@k, 1 … n.</param>
    public static SampledAccuracy Of(IReadOnlyCollection<int> right, int samples, IEnumerable<int> passAt) => new(
        samples,
        right.Average(count => (double)count / samples),
        [.. passAt.Select(k => (k, right.Average(count => PassAt(samples, count, k))))]);

    /// <summary>
    /// pass@k of one prompt: the probability that k samples hold a right one, estimated without bias from n samples:
    /// 1 − C(n − right, k) / C(n, k) (Chen et al. 2021, "Evaluating Large Language Models Trained on Code", equation 1).
    /// It is computed as 1 − ∏ (1 − k / i) over i = n − right + 1 … n, in which nothing overflows.
    /// </summary>
    /// <param name="samples">n, at least 1.</param>
    /// <param name="right">How many of them are right, 0 … n.</param>
    /// <param name="k">1 … n.</param>
    /// <returns>0 … 1.</returns>
    public static double PassAt(int samples, int right, int k)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(right);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(right, samples);
        ArgumentOutOfRangeException.ThrowIfLessThan(k, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(k, samples);
        // Fewer than k are wrong: every choice of k has a right one.
        if (samples - right < k)
            return 1;
        var none = 1.0;
        for (var i = samples - right + 1; i <= samples; i++)
            none *= 1 - ((double)k / i);
        return 1 - none;
    }
}
