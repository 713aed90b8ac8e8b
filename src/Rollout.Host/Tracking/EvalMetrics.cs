using Rollout.Actors.Protocol;

namespace Rollout.Host.Tracking;

/// <summary>
/// The metrics of an evaluation, named as transformers names those of evaluation datasets: the first set's are eval_…, those
/// of a further set eval_NAME_….
/// </summary>
internal static class EvalMetrics
{
    private const string Prefix = "eval_";

    /// <summary>The name and value of each metric; the first is <see cref="Metrics.HeldOutAccuracy"/>.</summary>
    public static IEnumerable<KeyValuePair<string, double>> Of(Evaluation evaluation)
    {
        foreach (var (number, set) in evaluation.Sets.Index())
        {
            var prefix = number == 0 ? Prefix : $"{Prefix}{set.Name}_";
            yield return new($"{prefix}accuracy", set.Accuracy);
            if (set.Sampled is not { } sampled)
                continue;
            yield return new($"{prefix}mean@{sampled.Samples}", sampled.Mean);
            foreach (var (k, share) in sampled.PassAt)
                yield return new($"{prefix}pass@{k}", share);
        }
    }

    /// <summary>A curve for each of these metrics that any of the steps has.</summary>
    public static PlotCurve[] CurvesOf(IEnumerable<StepMetrics> steps) =>
    [
        new("greedy", Metrics.HeldOutAccuracy),
        .. steps.SelectMany(step => step.Values.Keys)
            .Where(name => name.StartsWith(Prefix, StringComparison.Ordinal) && name != Metrics.HeldOutAccuracy.Name)
            .Distinct()
            .Select(name => new PlotCurve(name[Prefix.Length..], new Metric(name, _ => null))),
    ];
}
