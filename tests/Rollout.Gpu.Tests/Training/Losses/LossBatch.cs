using Rollout.Gpu.Contracts;
using Rollout.Gpu.Training.Losses;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Training.Losses;

/// <summary>Completions as [rows][tokens] in doubles, and their loss by the code under test.</summary>
internal sealed record LossBatch(
    double[][] Logprobs,
    double[][] Old,
    double[][] Sampler,
    double[][] Reference,
    bool[][] Mask,
    double[] Advantages,
    int MaxCompletionLength)
{
    public int Rows => Mask.Length;

    /// <summary>L_i.</summary>
    public int Length(int row) => Mask[row].Count(counted => counted);

    /// <summary>1 … 6 completions of 1 … 8 tokens, a fifth of them masked; in one some, in one all.</summary>
    public static LossBatch Random(int seed)
    {
        var random = new Random(seed);
        var lengths = Enumerable.Range(0, random.Next(1, 7)).Select(_ => random.Next(1, 9)).ToArray();
        double[][] Values(double scale, double[][]? around = null) =>
        [
            .. lengths.Select((length, i) => Enumerable.Range(0, length)
                .Select(t => (around?[i][t] ?? -1) + (scale * ((2 * random.NextDouble()) - 1))).ToArray()),
        ];
        var logprobs = Values(1);
        var old = Values(0.6, logprobs);
        return new LossBatch(
            logprobs,
            old,
            Values(0.5, old),
            Values(0.5, logprobs),
            [.. lengths.Select(n => Enumerable.Range(0, n).Select(_ => random.Next(5) > 0).ToArray())],
            [.. lengths.Select(_ => random.Next(4) == 0 ? 0 : (4 * random.NextDouble()) - 2)],
            MaxCompletionLength: 9);
    }

    /// <summary>Loss, gradient and statistics, with the tokens that are not masked only, or with all.</summary>
    /// <param name="recipe">The loss.</param>
    /// <param name="padded">True gives masked tokens with weight 0 and a NaN in what only the sampler knows.</param>
    /// <param name="rowsAtOnce">Rows of a micro-batch.</param>
    public LossResult Run(LossRecipe recipe, bool padded = true, int rowsAtOnce = int.MaxValue)
    {
        var weights = LossWeights.Of(
            recipe.Aggregation, [.. Enumerable.Range(0, Rows).Select(Length)], MaxCompletionLength);
        var gradient = Mask.Select(row => new double[row.Length]).ToArray();
        var (loss, statistics) = (0.0, LossStatistics.None);
        foreach (var rows in Enumerable.Range(0, Rows).Chunk(Math.Min(rowsAtOnce, Rows)))
        {
            (int Row, int Token)[] places =
            [
                .. rows.SelectMany(i => Mask[i].Select((_, t) => (i, t))).Where(at => padded || Mask[at.i][at.t]),
            ];
            if (places.Length == 0)
                continue;

            using var scope = NewDisposeScope();
            Tensor Flat(Func<int, int, double> value) => tensor([.. places.Select(at => value(at.Row, at.Token))]);
            var logprobs = Flat((i, t) => Logprobs[i][t]).requires_grad_();
            using var result = new PolicyLoss(recipe).Of(new TokenLossInput(
                logprobs,
                Flat((i, t) => Old[i][t]),
                Flat((i, _) => Advantages[i]),
                Flat((i, t) => Mask[i][t] ? weights.OfTokenIn(Length(i)) : 0),
                tensor([.. places.Select(at => (long)(at.Row - rows[0]))]),
                rows.Length)
            {
                ReferenceLogprobs = Flat((i, t) => Reference[i][t]),
                SamplerLogprobs = Flat((i, t) => Mask[i][t] ? Sampler[i][t] : double.NaN),
            });
            result.Loss.backward();

            loss += result.Loss.item<double>();
            statistics += LossStatistics.Read(result.Statistics.data<double>().ToArray());
            foreach (var ((i, t), slope) in places.Zip(logprobs.grad!.data<double>().ToArray()))
                gradient[i][t] = slope;
        }

        return new LossResult(loss, gradient, statistics);
    }
}

/// <summary>What <see cref="LossBatch.Run"/> found; the gradient is [rows][tokens].</summary>
internal sealed record LossResult(double Loss, double[][] Gradient, LossStatistics Statistics);
