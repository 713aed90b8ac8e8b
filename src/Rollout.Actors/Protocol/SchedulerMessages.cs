using Akka.Actor;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Protocol;

/// <summary>The mailbox of the scheduler: clients, decoders and membership write to it.</summary>
public interface ISchedulerMessage;

/// <summary>One prompt and how each of its samples is drawn.</summary>
/// <param name="Id">Unique in the run; with the seed and the sample's number it determines every token.</param>
/// <param name="Prompt">Token ids, at least one.</param>
/// <param name="Samples">One entry a sample.</param>
/// <param name="Streamed">Its client shows samples while they grow: tokens are reported after every decode step.</param>
public sealed record GroupRequest(GroupId Id, int[] Prompt, SamplingParams[] Samples, bool Streamed = false);

/// <summary>
/// From a client. Answered, to the sender, by <see cref="CompletionsReady"/> (one or more, with all samples together),
/// <see cref="GroupGivenUp"/> or <see cref="NoRoom"/>. Submitting a group again that is still on its way changes nothing
/// but where the answer goes. One that has ended is answered again until the client says <see cref="OutcomesTaken"/>.
/// </summary>
/// <param name="Group">What to sample.</param>
/// <param name="RequiredPolicy">Only decoders that hold exactly these weights work on it; null takes any.</param>
/// <param name="Seen">The highest scheduler epoch that the client knows, 0 at first: it ignores lower ones.</param>
/// <param name="Fingerprint">The only model and tokenizer that it may be sampled with; null takes any.</param>
public sealed record SubmitGroup(
    GroupRequest Group, Policy? RequiredPolicy = null, SchedulerEpoch Seen = default, string? Fingerprint = null)
    : ISchedulerMessage, IWireMessage;

/// <summary>
/// From a client, by id alone: groups without news for some seconds, and groups that it keeps because the
/// scheduler had no room. Answered by <see cref="GroupsUnderway"/> with those that the scheduler has, by
/// <see cref="CompletionsReady"/> or <see cref="GroupGivenUp"/> for those that have ended, and, when there is room for the
/// others, by <see cref="SendGroups"/>.
/// </summary>
/// <param name="Groups">Some of its groups without an outcome.</param>
/// <param name="Seen">As in <see cref="SubmitGroup"/>.</param>
public sealed record OfferGroups(OfferedGroup[] Groups, SchedulerEpoch Seen = default) : ISchedulerMessage, IWireMessage;

/// <summary>A group that a client has, and the number of its samples.</summary>
public readonly record struct OfferedGroup(GroupId Id, int Samples);

/// <summary>From a client: it has these groups' outcomes, so the scheduler can drop them. Not answered.</summary>
public sealed record OutcomesTaken(GroupId[] Groups) : ISchedulerMessage, IWireMessage;

/// <summary>From a client that no longer wants these groups. Not answered; unknown groups are ignored.</summary>
public sealed record CancelGroups(GroupId[] Groups) : ISchedulerMessage, IWireMessage;

/// <summary>From a process that starts or waits for decoders: is there a scheduler? Answered by <see cref="SchedulerReport"/>.</summary>
public sealed record QueryScheduler : ISchedulerMessage, IWireMessage;

/// <summary>The state of the cluster.</summary>
/// <param name="Decoders">Decoders that take samples.</param>
/// <param name="Groups">Groups on their way, of all clients.</param>
/// <param name="Epoch">The scheduler's epoch.</param>
/// <param name="WaitingSequences">Sequences that no decoder has.</param>
/// <param name="Fingerprint">
/// The model and tokenizer that groups are sampled with; null while there is no decoder and no group.
/// </param>
/// <param name="Policy">The weights that all decoders hold; null while there is none, or they differ.</param>
public sealed record SchedulerReport(
    int Decoders,
    int Groups,
    SchedulerEpoch Epoch,
    int WaitingSequences,
    string? Fingerprint,
    Policy? Policy = null) : IWireMessage;

/// <summary>What a decoder can hold.</summary>
/// <param name="MaxNumSeqs">Sequences that it can run at once.</param>
/// <param name="Blocks">Blocks of its pool.</param>
/// <param name="BlockSize">Tokens of a block.</param>
/// <param name="MaxModelLength">The most tokens of a sequence, prompt included.</param>
/// <param name="VocabularySize">Token ids of its model are 0 … this − 1; a request with others fails there.</param>
public readonly record struct DecoderCapacity(
    int MaxNumSeqs, int Blocks, int BlockSize, int MaxModelLength, int VocabularySize)
{
    /// <summary>Tokens of the longest sequence that can ever run there: its length is allowed, and the whole pool holds it.</summary>
    public long Reach => Math.Min(MaxModelLength, (long)Blocks * BlockSize);
}

/// <summary>
/// From a decoder that has weights: every few seconds, and when something of it changes. Answered by
/// <see cref="SchedulerHere"/> or <see cref="DecoderRefused"/>. An earlier incarnation's unfinished samples go elsewhere.
/// </summary>
/// <param name="Id">Its host and device.</param>
/// <param name="Incarnation">Grows with every restart: messages of earlier ones mean nothing.</param>
/// <param name="Decoder">Where to send commands.</param>
/// <param name="Capacity">What it can hold.</param>
/// <param name="Policy">The weights that it decodes with.</param>
/// <param name="Fingerprint">Its model and tokenizer; decoders of one cluster have the same.</param>
/// <param name="Seen">The highest scheduler epoch that it knows, whose commands it carries out; 0 at first.</param>
/// <param name="CommandsTaken">The number of the last command of that epoch that it has carried out.</param>
/// <param name="HeldSamples">The number of samples that it works on or keeps.</param>
/// <param name="Leaving">It takes no more work and hands back what it has.</param>
public sealed record DecoderHere(
    DecoderId Id,
    int Incarnation,
    IActorRef Decoder,
    DecoderCapacity Capacity,
    Policy Policy,
    string Fingerprint,
    SchedulerEpoch Seen,
    long CommandsTaken,
    int HeldSamples,
    bool Leaving) : ISchedulerMessage, IWireMessage;

/// <summary>
/// From a decoder: what happened since the last report that was acknowledged. Answered by <see cref="ReportTaken"/>. One is
/// outstanding at a time: without an answer it is sent again as it was, under its number, and later news waits.
/// </summary>
/// <param name="Decoder">Its host and device.</param>
/// <param name="Incarnation">The decoder's.</param>
/// <param name="Epoch">The scheduler that it reports to.</param>
/// <param name="Number">Counts from 1 in each epoch.</param>
/// <param name="CommandsTaken">The number of the last command of the epoch that it has carried out.</param>
/// <param name="Policy">The weights that it decodes with: what it hands back for others isn't given to it again.</param>
/// <param name="Samples">The samples with news.</param>
/// <param name="Rejected">Groups that can't be finished, there or anywhere.</param>
/// <param name="Load">How full its device is.</param>
/// <param name="More">Not all news had room: another report follows at once.</param>
public sealed record DecoderReport(
    DecoderId Decoder,
    int Incarnation,
    SchedulerEpoch Epoch,
    long Number,
    long CommandsTaken,
    Policy Policy,
    SampleProgress[] Samples,
    GroupRejection[] Rejected,
    DeviceLoad Load,
    bool More) : ISchedulerMessage, IWireMessage;

/// <summary>What one sample has sampled since the last report that was acknowledged.</summary>
/// <param name="Group">The sample's group.</param>
/// <param name="Sample">Its number in the group.</param>
/// <param name="Assignment">The assignment that it is worked on under.</param>
/// <param name="Start">How many of its tokens come before these.</param>
/// <param name="Sampled">The new tokens.</param>
/// <param name="Finished">Why it ended with these tokens; null if it has not.</param>
/// <param name="HandedBack">The decoder works on it no more, and it has not ended: another decoder goes on.</param>
public sealed record SampleProgress(
    GroupId Group,
    int Sample,
    AssignmentId Assignment,
    int Start,
    SampledTokens Sampled,
    FinishReason? Finished = null,
    bool HandedBack = false)
{
    /// <summary>The decoder that reports it works on it no more.</summary>
    public bool IsLast => Finished is not null || HandedBack;
}

/// <summary>A group that can't be finished, and why.</summary>
public sealed record GroupRejection(GroupId Group, AssignmentId Assignment, string Reason);

/// <summary>How full a device is.</summary>
/// <param name="Running">Sequences with blocks.</param>
/// <param name="Waiting">Sequences without.</param>
/// <param name="AvailableBlocks">Blocks that nobody holds, cached ones included.</param>
public readonly record struct DeviceLoad(int Running, int Waiting, int AvailableBlocks);

/// <summary>From a decoder's supervisor: an incarnation has ended, and its unfinished samples must go elsewhere. Not answered.</summary>
/// <param name="Id">The decoder.</param>
/// <param name="Incarnation">The one that has ended.</param>
/// <param name="Reason">Why it ended, in a sentence.</param>
/// <param name="ComesBack">A next incarnation is being started.</param>
/// <param name="DecodersOfHost">Decoders that its host runs, working or not: the others may still come. 0 where unknown.</param>
public sealed record DecoderLost(
    DecoderId Id, int Incarnation, string Reason, bool ComesBack, int DecodersOfHost = 1)
    : ISchedulerMessage, IWireMessage;
