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
/// but where the answer goes. One that has ended is answered again until the client says <see cref="OutcomesTaken"/>.
/// </summary>
/// <param name="Group">What to sample.</param>
/// <param name="Required">Only decoders that hold exactly these weights work on it; null takes any.</param>
/// <param name="Seen">The highest scheduler epoch that the client has heard of, 0 at first: it listens to no lower one.</param>
/// <param name="Fingerprint">The only model and tokenizer that it may be sampled with; null takes any.</param>
public sealed record SubmitGroup(
    GroupRequest Group, Policy? Required = null, SchedulerEpoch Seen = default, string? Fingerprint = null)
    : ISchedulerMessage, IWireMessage;

/// <summary>
/// From a client, by id alone: groups of which it has heard nothing for some seconds, and groups that it keeps because the
/// scheduler had no room. Answered by <see cref="GroupsUnderway"/> with those that the scheduler has, by
/// <see cref="CompletionsReady"/> or <see cref="GroupGivenUp"/> for those that have ended, and, when there is room for the
/// others, by <see cref="SendGroups"/>.
/// </summary>
/// <param name="Groups">Some of its groups without an outcome.</param>
/// <param name="Seen">As in <see cref="SubmitGroup"/>.</param>
public sealed record OfferGroups(OfferedGroup[] Groups, SchedulerEpoch Seen = default) : ISchedulerMessage, IWireMessage;

/// <summary>A group that a client has, and the number of its samples.</summary>
public readonly record struct OfferedGroup(GroupId Id, int Samples);

/// <summary>From a client: it has these groups' outcomes, which need not be kept any more. Not answered.</summary>
public sealed record OutcomesTaken(GroupId[] Groups) : ISchedulerMessage, IWireMessage;

/// <summary>From a client that no longer wants these groups. Not answered; unknown groups are ignored.</summary>
public sealed record CancelGroups(GroupId[] Groups) : ISchedulerMessage, IWireMessage;

/// <summary>The mailbox of a client, whatever actor it is: what the scheduler tells those that submit groups.</summary>
public interface IClientMessage
{
    /// <summary>The sender's epoch: a client that has heard of a higher one ignores the message.</summary>
    SchedulerEpoch Epoch { get; }
}

/// <summary>To a client: samples of a finished group. A large group comes in several of these.</summary>
/// <param name="Epoch">The scheduler's.</param>
/// <param name="Id">The group.</param>
/// <param name="Samples">The number of samples of the whole group.</param>
/// <param name="Completions">Some or all of them.</param>
public sealed record CompletionsReady(SchedulerEpoch Epoch, GroupId Id, int Samples, Completion[] Completions)
    : IClientMessage, IWireMessage;

/// <summary>To a client: the group could not be finished, and why.</summary>
public sealed record GroupGivenUp(SchedulerEpoch Epoch, GroupId Id, string Reason) : IClientMessage, IWireMessage;

/// <summary>
/// To a client: enough is waiting for the decoders that are there. The client keeps the group until
/// <see cref="SendGroups"/> names it; the scheduler keeps its place in line.
/// </summary>
public sealed record NoRoom(SchedulerEpoch Epoch, GroupId Id) : IClientMessage, IWireMessage;

/// <summary>To a client: the scheduler has room for these groups, and wants them now. Answered by <see cref="SubmitGroup"/>s.</summary>
public sealed record SendGroups(SchedulerEpoch Epoch, GroupId[] Groups) : IClientMessage, IWireMessage;

/// <summary>To a client, as the answer to <see cref="OfferGroups"/>: how far those of the groups are that have not ended.</summary>
public sealed record GroupsUnderway(SchedulerEpoch Epoch, GroupProgress[] Groups) : IClientMessage, IWireMessage;

/// <summary>The tokens that were sampled for a group so far, all samples together.</summary>
public readonly record struct GroupProgress(GroupId Id, long Tokens);

/// <summary>
/// To a client: these groups' outcomes were given long ago and are still kept. The client says <see cref="OutcomesTaken"/>
/// again for those that it has, and offers those that it misses.
/// </summary>
public sealed record OutcomesKept(SchedulerEpoch Epoch, GroupId[] Groups) : IClientMessage, IWireMessage;

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
