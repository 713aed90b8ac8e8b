using Rollout.Actors.Protocol.Wire;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Protocol;

/// <summary>The mailbox of the scheduler: clients and decoders write to it.</summary>
public interface ISchedulerMessage;

/// <summary>One prompt and how each of its samples is drawn.</summary>
/// <param name="Id">Unique in the run; with the seed and the sample's number it determines every token.</param>
/// <param name="Prompt">Token ids, at least one.</param>
/// <param name="Samples">One entry a sample.</param>
public sealed record GroupRequest(GroupId Id, int[] Prompt, SamplingParams[] Samples);

/// <summary>
/// From a client. Answered, to the sender, by <see cref="CompletionsReady"/> (one or more, with all samples together),
/// <see cref="GroupGivenUp"/> or <see cref="NoRoom"/>. Submitting a group again that is still on its way changes nothing
/// but where the answer goes; one that has ended is answered again until the client has said <see cref="OutcomesTaken"/>.
/// </summary>
/// <param name="Group">What to sample.</param>
/// <param name="Required">Only decoders that hold exactly these weights work on it; null takes any.</param>
/// <param name="Seen">The highest scheduler epoch that the client has heard of, 0 at first: it listens to no lower one.</param>
/// <param name="Fingerprint">Of the only model and tokenizer that it may be sampled with; null takes any.</param>
public sealed record SubmitGroup(
    GroupRequest Group, Policy? Required = null, SchedulerEpoch Seen = default, string? Fingerprint = null)
    : ISchedulerMessage, IWireMessage;

/// <summary>The mailbox of a client, whatever actor it is: what the scheduler tells those that submit groups.</summary>
public interface IClientMessage
{
    /// <summary>The scheduler's: what an older one says than the client has heard of means nothing.</summary>
    SchedulerEpoch Epoch { get; }
}

/// <summary>To a client: samples of a finished group. A large group comes in several of these.</summary>
/// <param name="Epoch">The scheduler's.</param>
/// <param name="Id">The group.</param>
/// <param name="Samples">Samples of the whole group.</param>
/// <param name="Completions">Some or all of them.</param>
public sealed record CompletionsReady(SchedulerEpoch Epoch, GroupId Id, int Samples, Completion[] Completions)
    : IClientMessage, IWireMessage;

/// <summary>To a client: the group could not be finished, and why.</summary>
public sealed record GroupGivenUp(SchedulerEpoch Epoch, GroupId Id, string Reason) : IClientMessage, IWireMessage;

/// <summary>To a client: enough is waiting for the decoders that are there. Offer the group again later.</summary>
public sealed record NoRoom(SchedulerEpoch Epoch, GroupId Id) : IClientMessage, IWireMessage;

/// <summary>To a client that was told <see cref="NoRoom"/>: much of what waited is gone. What it kept may be offered now.</summary>
public sealed record RoomAgain(SchedulerEpoch Epoch) : IClientMessage, IWireMessage;

/// <summary>
/// To a client: these groups' outcomes were given long ago and are still kept. It says <see cref="OutcomesTaken"/> again of
/// those that it has, and submits again those that it misses.
/// </summary>
public sealed record OutcomesKept(SchedulerEpoch Epoch, GroupId[] Groups) : IClientMessage, IWireMessage;

/// <summary>From a client: it has these groups' outcomes, which need not be remembered any more. Not answered.</summary>
public sealed record OutcomesTaken(GroupId[] Groups) : ISchedulerMessage, IWireMessage;

/// <summary>From a client that no longer wants these groups. Not answered; unknown groups are ignored.</summary>
public sealed record CancelGroups(GroupId[] Groups) : ISchedulerMessage, IWireMessage;

/// <summary>What became of a submitted group, as clients hand it on inside their process.</summary>
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

    public float[] Logprobs => Sampled.Logprobs;
}
