using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Protocol;

/// <summary>The mailbox of a decoder: one per device.</summary>
public interface IDecoderMessage;

/// <summary>One decoder of the cluster: its host's address and its device.</summary>
public readonly record struct DecoderId(string Host, string Device)
{
    public override string ToString() => $"decoder {Device} of {Host}";
}

/// <summary>From the scheduler. Answered by <see cref="GroupDecoded"/> or <see cref="GroupRejected"/> with the same attempt.</summary>
public sealed record AssignGroup(GroupRequest Group, int Attempt) : IDecoderMessage;

/// <summary>One sample of a group, and what it has sampled elsewhere before: it goes on from there with the same randomness.</summary>
/// <param name="Sample">Its number in the group.</param>
/// <param name="Tokens">Sampled so far; none for a new one.</param>
/// <param name="Logprobs">[tokens] their log-probabilities.</param>
/// <param name="Versions">Which policy sampled which, as in <see cref="Completion"/>.</param>
public sealed record SampleStart(int Sample, int[] Tokens, float[] Logprobs, VersionSpan[] Versions)
{
    /// <summary>One that has sampled nothing.</summary>
    public static SampleStart New(int sample) => new(sample, [], [], []);
}

/// <summary>From the scheduler: stop working on this group. Not answered.</summary>
public sealed record AbortGroup(GroupId Id, int Attempt) : IDecoderMessage;

/// <summary>From the step barrier: start nothing more. Answered by <see cref="Parked"/>.</summary>
public sealed record Park(PolicyVersion Until) : IDecoderMessage;

/// <summary>From the step barrier to a parked or newly joined decoder: take this version. Answered by <see cref="WeightsUpdated"/>.</summary>
public sealed record UpdateWeights(PolicyVersion Version) : IDecoderMessage;

/// <summary>From tools: counts since the decoder started or was last asked with reset. Answered by <see cref="DecoderStats"/>.</summary>
public sealed record QueryDecoderStats(bool Reset) : IDecoderMessage;

/// <summary>What a decoder did, since its counts were last reset.</summary>
public sealed record DecoderStats
{
    public static DecoderStats None { get; } = new();

    /// <summary>Forward passes.</summary>
    public int Steps { get; init; }

    /// <summary>Prompt tokens computed: those found in the prefix cache, or shared by a group, are not among them.</summary>
    public long PrefillTokens { get; init; }

    /// <summary>Tokens sampled.</summary>
    public long NewTokens { get; init; }

    /// <summary>Seconds with work at hand, from grant to grant.</summary>
    public double BusySeconds { get; init; }

    /// <summary>Seconds of those in the model's forward.</summary>
    public double ForwardSeconds { get; init; }

    /// <summary>Seconds of those in the sampler.</summary>
    public double SamplingSeconds { get; init; }

    /// <summary>Seconds of those in steps that computed prompt tokens.</summary>
    public double PrefillSeconds { get; init; }

    public int BlocksTotal { get; init; }

    /// <summary>Most blocks referenced at once.</summary>
    public int BlocksInUsePeak { get; init; }

    /// <summary>Most block table entries at once: what the same sequences would need without sharing.</summary>
    public int LogicalBlocksPeak { get; init; }

    /// <summary>Sequences whose blocks were taken from them.</summary>
    public int Preemptions { get; init; }

    /// <summary>Steps that failed and whose sequences were tried again or failed.</summary>
    public int StepFailures { get; init; }

    /// <summary>Table entries per referenced block at the peak; 1 where nothing is shared.</summary>
    public double SharingRatio => BlocksInUsePeak == 0 ? 1 : (double)LogicalBlocksPeak / BlocksInUsePeak;

    /// <summary>Counts and times of two decoders together; the busy time is the longer one.</summary>
    public DecoderStats Plus(DecoderStats other) => new()
    {
        Steps = Steps + other.Steps,
        PrefillTokens = PrefillTokens + other.PrefillTokens,
        NewTokens = NewTokens + other.NewTokens,
        BusySeconds = Math.Max(BusySeconds, other.BusySeconds),
        ForwardSeconds = ForwardSeconds + other.ForwardSeconds,
        SamplingSeconds = SamplingSeconds + other.SamplingSeconds,
        PrefillSeconds = PrefillSeconds + other.PrefillSeconds,
        BlocksTotal = BlocksTotal + other.BlocksTotal,
        BlocksInUsePeak = BlocksInUsePeak + other.BlocksInUsePeak,
        LogicalBlocksPeak = LogicalBlocksPeak + other.LogicalBlocksPeak,
        Preemptions = Preemptions + other.Preemptions,
        StepFailures = StepFailures + other.StepFailures,
    };
}
