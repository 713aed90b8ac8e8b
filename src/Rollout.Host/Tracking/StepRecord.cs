using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Host.Tracking;

/// <summary>All that a run records of one training step.</summary>
/// <param name="Metrics">Its numbers.</param>
public sealed record StepRecord(StepMetrics Metrics)
{
    /// <summary>The name of the ratios' distribution.</summary>
    public const string Ratios = "distribution/ratio";

    /// <summary>The values of each distribution.</summary>
    public IReadOnlyDictionary<string, double[]> Histograms { get; init; } = new Dictionary<string, double[]>();

    /// <summary>Distributions whose values are counted already.</summary>
    public IReadOnlyDictionary<string, BucketCounts> Counts { get; init; } = new Dictionary<string, BucketCounts>();

    /// <summary>Texts in Markdown.</summary>
    public IReadOnlyDictionary<string, string> Texts { get; init; } = new Dictionary<string, string>();

    /// <summary>The record of a finished step.</summary>
    /// <param name="step">What the trainer reports.</param>
    /// <param name="tokensBefore">The tokens of the run's earlier steps.</param>
    public static StepRecord Of(TrainingStepFinished step, double tokensBefore) => new(Tracking.Metrics.Of(step, tokensBefore))
    {
        Histograms = Tracking.Metrics.Distributions.ToDictionary(entry => entry.Key, entry => entry.Value(step)),
        Counts = step.Train.Ratios is { } ratios ? new Dictionary<string, BucketCounts> { [Ratios] = ratios } : [],
        Texts = SampleText.Of(step) is { } text ? new Dictionary<string, string> { [SampleText.Name] = text } : [],
    };

    /// <summary>The record of step 0: the evaluation before training.</summary>
    public static StepRecord BeforeTraining(Evaluation evaluation) => new(
        new StepMetrics(0, new OrderedDictionary<string, double>(EvalMetrics.Of(evaluation))));
}
