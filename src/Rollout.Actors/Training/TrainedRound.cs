using Rollout.Actors.Collection;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Training;

/// <summary>A round of groups and the training step that was made of them: what there is to report.</summary>
internal sealed record TrainedRound
{
    public required TrainStats Train { get; init; }

    public required IReadOnlyList<ScoredGroup> Groups { get; init; }

    /// <summary>Groups that were left out.</summary>
    public required int FailedGroups { get; init; }

    public required double RolloutSeconds { get; init; }

    /// <param name="step">From 1.</param>
    /// <param name="steps">Of the run.</param>
    /// <param name="decode">What the decoders did for it.</param>
    /// <param name="heldOutAccuracy">Of the evaluation after it; null without one.</param>
    /// <param name="totalSeconds">Of everything.</param>
    public TrainingStepFinished ToReport(
        int step, int steps, DecoderStats decode, double? heldOutAccuracy, double totalSeconds)
    {
        var summary = StepSummary.Of(Groups);
        return new TrainingStepFinished
        {
            Step = step,
            Steps = steps,
            Train = Train,
            Decode = decode,
            RewardMean = summary.RewardMean,
            RewardStd = summary.RewardStd,
            HeldOutAccuracy = heldOutAccuracy,
            NewTokens = summary.Tokens,
            MeanCompletionLength = summary.MeanLength,
            MaxCompletionLength = summary.MaxLength,
            TruncatedShare = summary.TruncatedShare,
            FailedGroups = FailedGroups,
            Groups = Groups,
            RolloutSeconds = RolloutSeconds,
            TotalSeconds = totalSeconds,
        };
    }
}
