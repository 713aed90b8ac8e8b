using Akka.Actor;
using Rollout.Actors.Data;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Protocol;

/// <summary>The mailbox of the trainer.</summary>
public interface ITrainerMessage;

/// <summary>From the client: train. The observer receives <see cref="TrainingStepFinished"/>s and one <see cref="TrainingEnded"/>.</summary>
public sealed record StartTraining(TrainingProgress From, IActorRef Observer) : ITrainerMessage;

/// <summary>From the client: finish the training step at hand, save, and end.</summary>
public sealed record StopTraining : ITrainerMessage;

/// <summary>
/// From this process, which ends or has nobody to work with: saves what is learnt, and ends with the reason. The training
/// step at hand is given up, unless its weights are there already.
/// </summary>
public sealed record AbandonTraining(string Reason) : ITrainerMessage;

/// <summary>
/// From the client: the report of a training step is written. A checkpoint waits for it, so that no run goes on after a step
/// that its record lacks.
/// </summary>
public sealed record StepRecorded(int Step) : ITrainerMessage;

/// <summary>To the observer: the evaluation before the first training step; null where nothing is held out.</summary>
public sealed record TrainingStarted(Evaluation? Evaluation);

/// <summary>To the observer: a checkpoint is complete. Best is the best one so far, where the run keeps it.</summary>
public sealed record CheckpointSaved(int Step, string Folder, BestCheckpoint? Best = null);

/// <summary>To the observer, last: how the run ended. Error is null when it ended as planned or by request.</summary>
public sealed record TrainingEnded(TrainingProgress Progress, string? Checkpoint, string? Error);

/// <summary>To the observer: one finished training step.</summary>
public sealed record TrainingStepFinished
{
    /// <summary>From 1.</summary>
    public required int Step { get; init; }

    /// <summary>Training steps of the run.</summary>
    public required int Steps { get; init; }

    public required TrainStats Train { get; init; }

    /// <summary>
    /// What the decoders did since the weight update before: the step's rollouts, and the evaluation before them if there was
    /// one.
    /// </summary>
    public required DecoderStats Decode { get; init; }

    /// <summary>The evaluation that the step ended with; null where it ended without one.</summary>
    public Evaluation? Evaluation { get; init; }

    /// <summary>Groups that failed in decoding or scoring and were left out.</summary>
    public required int FailedGroups { get; init; }

    /// <summary>Groups that dynamic sampling replaced, as they have no signal.</summary>
    public IReadOnlyList<DroppedGroup> Dropped { get; init; } = [];

    /// <summary>Seconds from the first submission to the last score.</summary>
    public required double RolloutSeconds { get; init; }

    /// <summary>Seconds of the whole step with its evaluation; saving its checkpoint is not among them.</summary>
    public required double TotalSeconds { get; init; }

    /// <summary>
    /// The rollouts that the step trained on; dropped groups and those of an evaluation are not among them.
    /// </summary>
    public required IReadOnlyList<ScoredGroup> Groups { get; init; }
}

/// <summary>What is left of a group that was not trained on: its rewards and the number of its sampled tokens.</summary>
public sealed record DroppedGroup(double[] Rewards, int Tokens);

/// <summary>A finished group with its rewards; a reward is NaN where no function judges the sample.</summary>
public sealed record ScoredGroup(
    PromptItem Item, int[] Prompt, GroupFinished Group, double[] Rewards, string[] Texts)
{
    /// <summary>What each reward function gave, before weights.</summary>
    public RewardValues[] ByFunction { get; init; } = [];

    /// <summary>The group as the policy trainer takes it.</summary>
    public TrainGroup ToTrainGroup() => new(
        Group.Id,
        Prompt,
        [.. Group.Completions.Select((completion, i) =>
            new TrainCompletion(completion.Tokens, completion.Logprobs, Rewards[i])
            {
                SamplingLogprobs = completion.SamplingLogprobs,
                Reason = completion.Reason,
            })]);
}
