namespace Rollout.Actors.Protocol;

/// <summary>What a decoder did, since its counts were last reset.</summary>
public sealed record DecoderStats : IWireMessage
{
    public static DecoderStats None { get; } = new();

    /// <summary>Forward passes.</summary>
    public int Steps { get; init; }

    /// <summary>Prompt tokens computed: those found in the prefix cache, or shared by a group, are not among them.</summary>
    public long PrefillTokens { get; init; }

    /// <summary>Tokens sampled.</summary>
    public long NewTokens { get; init; }

    /// <summary>Seconds with work at hand, from grant to grant; of several decoders, the sum.</summary>
    public double BusySeconds { get; init; }

    /// <summary>Busy seconds in the model's forward.</summary>
    public double ForwardSeconds { get; init; }

    /// <summary>Busy seconds in the sampler.</summary>
    public double SamplingSeconds { get; init; }

    /// <summary>Busy seconds in steps that computed prompt tokens.</summary>
    public double PrefillSeconds { get; init; }

    public int BlocksTotal { get; init; }

    /// <summary>The most blocks referenced at once.</summary>
    public int BlocksInUsePeak { get; init; }

    /// <summary>Block table entries at that time: what the same sequences would have needed without sharing.</summary>
    public int LogicalBlocksPeak { get; init; }

    /// <summary>Sequences whose blocks were taken from them.</summary>
    public int Preemptions { get; init; }

    /// <summary>Steps that failed and whose sequences were tried again or failed.</summary>
    public int StepFailures { get; init; }

    /// <summary>Table entries per referenced block at the peak; 1 where nothing is shared.</summary>
    public double SharingRatio => BlocksInUsePeak == 0 ? 1 : (double)LogicalBlocksPeak / BlocksInUsePeak;

    /// <summary>Adds up the counts and times of two decoders.</summary>
    public DecoderStats Plus(DecoderStats other) => new()
    {
        Steps = Steps + other.Steps,
        PrefillTokens = PrefillTokens + other.PrefillTokens,
        NewTokens = NewTokens + other.NewTokens,
        BusySeconds = BusySeconds + other.BusySeconds,
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
