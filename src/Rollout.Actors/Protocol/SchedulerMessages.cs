using Akka.Actor;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Protocol;

/// <summary>From whoever starts, or waits for decoders: is there a scheduler? Answered by <see cref="SchedulerReport"/>.</summary>
public sealed record QueryScheduler : ISchedulerMessage, IWireMessage;

/// <summary>The state of the cluster.</summary>
/// <param name="Decoders">Decoders that take samples.</param>
/// <param name="Groups">Groups on their way, of all clients.</param>
/// <param name="Epoch">The scheduler's.</param>
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
/// <param name="MaxModelLength">Tokens of a sequence at most, prompt included.</param>
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
/// <param name="Fingerprint">Of its model and tokenizer; decoders of one cluster have the same.</param>
/// <param name="Seen">The highest scheduler epoch that it knows, whose commands it carries out; 0 at first.</param>
/// <param name="CommandsTaken">Commands of that epoch that it has carried out.</param>
/// <param name="Holding">Samples that it works on or keeps.</param>
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
    int Holding,
    bool Leaving) : ISchedulerMessage, IWireMessage;

/// <summary>
/// From a decoder: what happened since the last report that was taken. One is outstanding at a time; one that isn't
/// answered by <see cref="ReportTaken"/> in time is sent again as it was, under its number, and what has come since waits.
/// </summary>
/// <param name="Decoder">Its host and device.</param>
/// <param name="Incarnation">Its own.</param>
/// <param name="Epoch">The scheduler that it reports to.</param>
/// <param name="Number">From 1 in each epoch.</param>
/// <param name="CommandsTaken">Commands of the epoch that it has carried out.</param>
/// <param name="Policy">The weights that it decodes with: what it hands back for others isn't given to it again.</param>
/// <param name="Samples">Those with news.</param>
/// <param name="Rejected">Groups that can't be finished, there or anywhere.</param>
/// <param name="Load">How full it is.</param>
/// <param name="More">Another report follows at once: not all news had room.</param>
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
/// <param name="Group">Its group.</param>
/// <param name="Sample">Its number there.</param>
/// <param name="Assignment">The assignment that it is worked on under.</param>
/// <param name="Start">How many of its tokens come before these.</param>
/// <param name="Sampled">The new tokens.</param>
/// <param name="Finished">Why it ended with these tokens; null where it has not.</param>
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

/// <summary>Why a group can't be finished.</summary>
public sealed record GroupRejection(GroupId Group, AssignmentId Assignment, string Reason);

/// <summary>How full a device is.</summary>
/// <param name="Running">Sequences with blocks.</param>
/// <param name="Waiting">Sequences without.</param>
/// <param name="FreeBlocks">Blocks that nobody holds, cached ones included.</param>
public readonly record struct DeviceLoad(int Running, int Waiting, int FreeBlocks);

/// <summary>From a decoder's supervisor: its unfinished groups must go elsewhere.</summary>
/// <param name="Id">The device.</param>
/// <param name="Incarnation">The one that is gone.</param>
/// <param name="Reason">Why, for the groups that nobody can take.</param>
/// <param name="ComesBack">A next incarnation is being started.</param>
/// <param name="DecodersOfHost">Decoders that its host runs, working or not: the others may still come. 0 where unknown.</param>
public sealed record DecoderLost(
    DecoderId Id, int Incarnation, string Reason, bool ComesBack, int DecodersOfHost = 1)
    : ISchedulerMessage, IWireMessage;
