using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Collection;

/// <summary>Statistics over all completions of a training step.</summary>
public sealed record StepSummary
{
    /// <summary>Over the samples that have a reward; NaN if none has.</summary>
    public required double RewardMean { get; init; }

    /// <summary>Population standard deviation of the rewards.</summary>
    public required double RewardStd { get; init; }

    /// <summary>The figures of each reward function.</summary>
    public required IReadOnlyList<RewardFigures> RewardsByFunction { get; init; }

    /// <summary>Sampled tokens.</summary>
    public required long Tokens { get; init; }

    public required double MeanLength { get; init; }

    public required int MaxLength { get; init; }

    /// <summary>Share of completions that ended at their max tokens.</summary>
    public required double TruncatedShare { get; init; }

    /// <param name="groups">At least one, each with at least one completion.</param>
    public static StepSummary Of(IReadOnlyList<ScoredGroup> groups)
    {
        var rewards = Present(groups.SelectMany(group => group.Rewards));
        var completions = groups.SelectMany(group => group.Group.Completions).ToArray();
        var mean = Mean(rewards);
        return new StepSummary
        {
            RewardMean = mean,
            RewardStd = Math.Sqrt(SquaredDeviations(rewards) / rewards.Length),
            RewardsByFunction =
            [
                .. groups.SelectMany(group => group.ByFunction).GroupBy(function => function.Name)
                    .Select(function => FiguresOf(function.Key, Present(function.SelectMany(part => part.Values)))),
            ],
            Tokens = completions.Sum(completion => (long)completion.Tokens.Length),
            MeanLength = completions.Average(completion => completion.Tokens.Length),
            MaxLength = completions.Max(completion => completion.Tokens.Length),
            TruncatedShare =
                completions.Average(completion => completion.Reason == FinishReason.Length ? 1.0 : 0.0),
        };
    }

    private static RewardFigures FiguresOf(string name, double[] values) => new(
        name,
        Mean(values),
        values.Length < 2 ? double.NaN : Math.Sqrt(SquaredDeviations(values) / (values.Length - 1)));

    private static double[] Present(IEnumerable<double> values) => [.. values.Where(value => !double.IsNaN(value))];

    private static double Mean(double[] values) => values.Length == 0 ? double.NaN : values.Average();

    private static double SquaredDeviations(double[] values)
    {
        var mean = Mean(values);
        return values.Sum(value => (value - mean) * (value - mean));
    }
}
