using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Protocol;

/// <summary>What a client receives: the scheduler's messages to the actors that submit groups.</summary>
public interface IClientMessage
{
    /// <summary>The sender's epoch: a client that knows a higher one ignores the message.</summary>
    SchedulerEpoch Epoch { get; }
}

/// <summary>To a client: samples of a finished group. A large group comes in several of these.</summary>
/// <param name="Epoch">The scheduler's epoch.</param>
/// <param name="Id">The group.</param>
/// <param name="Samples">The number of samples of the whole group.</param>
/// <param name="Completions">Some or all of them.</param>
public sealed record CompletionsReady(SchedulerEpoch Epoch, GroupId Id, int Samples, Completion[] Completions)
    : IClientMessage, IWireMessage;

/// <summary>To a client: the group could not be finished, and why.</summary>
public sealed record GroupGivenUp(SchedulerEpoch Epoch, GroupId Id, string Reason) : IClientMessage, IWireMessage;

/// <summary>
/// To a client: the scheduler's queue is full. The client keeps the group until
/// <see cref="SendGroups"/> names it. The group keeps its place in the queue.
/// </summary>
public sealed record NoRoom(SchedulerEpoch Epoch, GroupId Id) : IClientMessage, IWireMessage;

/// <summary>To a client: the scheduler has room for these groups. Answered by <see cref="SubmitGroup"/>s.</summary>
public sealed record SendGroups(SchedulerEpoch Epoch, GroupId[] Groups) : IClientMessage, IWireMessage;

/// <summary>To a client, as the answer to <see cref="OfferGroups"/>: the progress of those groups that have not ended.</summary>
public sealed record GroupsUnderway(SchedulerEpoch Epoch, GroupProgress[] Groups) : IClientMessage, IWireMessage;

/// <summary>The tokens that were sampled for a group so far, of all samples.</summary>
public readonly record struct GroupProgress(GroupId Id, long Tokens);

/// <summary>
/// To a client: these groups' outcomes were sent, and the scheduler still keeps them. The client sends
/// <see cref="OutcomesTaken"/> again for those that it has, and <see cref="OfferGroups"/> for those that it misses.
/// </summary>
public sealed record OutcomesKept(SchedulerEpoch Epoch, GroupId[] Groups) : IClientMessage, IWireMessage;

/// <summary>
/// To the client of a streamed group: new tokens of samples. Not repeated: the group's outcome has all tokens, so a lost
/// message delays them.
/// </summary>
public sealed record SamplesGrew(SchedulerEpoch Epoch, GroupId Id, SampleSlice[] Samples) : IClientMessage, IWireMessage;

/// <summary>Consecutive tokens of one sample.</summary>
/// <param name="Sample">Its number in the group.</param>
/// <param name="Start">How many of its tokens come before these.</param>
/// <param name="Sampled">The tokens.</param>
/// <param name="Finished">Why it ended with these tokens; null if it has not.</param>
public sealed record SampleSlice(int Sample, int Start, SampledTokens Sampled, FinishReason? Finished = null);

/// <summary>The outcome of a submitted group, inside the client's process.</summary>
public abstract record GroupOutcome(GroupId Id);

/// <summary>All samples of a group, in their order.</summary>
public sealed record GroupFinished(GroupId Id, Completion[] Completions) : GroupOutcome(Id);

/// <summary>A group that could not be finished, and why. Nothing of it may be trained on.</summary>
public sealed record GroupFailed(GroupId Id, string Reason) : GroupOutcome(Id);

/// <summary>One finished sample.</summary>
/// <param name="Sample">Its number in the group.</param>
/// <param name="Sampled">All of its tokens, the stop token included.</param>
/// <param name="Reason">Why it ended.</param>
public sealed record Completion(int Sample, SampledTokens Sampled, FinishReason Reason)
{
    public int[] Tokens => Sampled.Tokens;

    /// <summary>See <see cref="StepOutput.Logprobs"/>.</summary>
    public float[] Logprobs => Sampled.Logprobs;

    /// <summary>See <see cref="StepOutput.SamplingLogprobs"/>; null where they equal the other ones.</summary>
    public float[]? SamplingLogprobs => Sampled.SamplingLogprobs;
}
