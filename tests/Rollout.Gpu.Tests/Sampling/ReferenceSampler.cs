using Rollout.Gpu.Contracts;
using Rollout.Gpu.Sampling;

namespace Rollout.Gpu.Tests.Sampling;

/// <summary>
/// The sampling rules written down in double precision, with sorting and without shortcuts.
/// </summary>
internal static class ReferenceSampler
{
    /// <summary>The kept tokens, most probable first.</summary>
    public static int[] Keep(ReadOnlySpan<float> logits, SamplingParams sampling)
    {
        var p = Probabilities(logits, sampling.Temperature);
        var raw = logits.ToArray();
        var kept = Enumerable.Range(0, p.Length).OrderByDescending(v => raw[v]).ThenBy(v => v).ToList();
        if (sampling.TopK > 0)
            kept = [.. kept.Take(sampling.TopK)];

        if (sampling.TopP < 1)
        {
            var total = kept.Sum(v => p[v]);
            var mass = 0.0;
            var count = 0;
            while (count < kept.Count && (count == 0 || mass < sampling.TopP * total))
                mass += p[kept[count++]];
            kept = [.. kept.Take(count)];
        }

        var largest = p[kept[0]];
        return [.. kept.Where((v, i) => i == 0 || p[v] >= sampling.MinP * largest)];
    }

    public static int Draw(ReadOnlySpan<float> logits, in Draw draw)
    {
        var (best, winner) = (double.NegativeInfinity, -1);
        foreach (var v in Keep(logits, draw.Sampling).Order())
        {
            var noise = SamplingRng.Exponential(SamplingRng.Noise(draw.Key, draw.Position, v));
            var score = (logits[v] / draw.Sampling.Temperature) - Math.Log(noise);
            if (score > best)
                (best, winner) = (score, v);
        }

        return winner;
    }

    /// <summary>Softmax of logits / temperature.</summary>
    public static double[] Probabilities(ReadOnlySpan<float> logits, double temperature)
    {
        var p = new double[logits.Length];
        var max = double.NegativeInfinity;
        foreach (var logit in logits)
            max = Math.Max(max, logit / temperature);
        for (var v = 0; v < p.Length; v++)
            p[v] = Math.Exp((logits[v] / temperature) - max);
        var sum = p.Sum();
        for (var v = 0; v < p.Length; v++)
            p[v] /= sum;
        return p;
    }
}
