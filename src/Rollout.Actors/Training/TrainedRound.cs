using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Training;

/// <summary>A round of groups and the training step on them, before it is reported.</summary>
internal sealed record TrainedRound
{
    public required TrainStats Train { get; init; }

    public required IReadOnlyList<ScoredGroup> Groups { get; init; }

    /// <summary>Groups that failed and were left out.</summary>
    public required int FailedGroups { get; init; }

    public required double RolloutSeconds { get; init; }

    /// <param name="step">The training step, from 1.</param>
    /// <param name="steps">Training steps of the run.</param>
    /// <param name="decode">The decoders' figures of the step.</param>
    /// <param name="heldOutAccuracy">The accuracy of the evaluation after the step; null without one.</param>
    /// <param name="totalSeconds">Seconds of the whole step, evaluation included.</param>
    public TrainingStepFinished ToReport(
        int step, int steps, DecoderStats decode, double? heldOutAccuracy, double totalSeconds) => new()
        {
            Step = step,
            Steps = steps,
            Train = Train,
            Decode = decode,
            HeldOutAccuracy = heldOutAccuracy,
            FailedGroups = FailedGroups,
            Groups = Groups,
            RolloutSeconds = RolloutSeconds,
            TotalSeconds = totalSeconds,
        };
}
