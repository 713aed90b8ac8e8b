using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Host.Commands;

namespace Rollout.Host.Bench;

/// <summary>What a benchmark prints, as JSON with these names in snake_case.</summary>
public sealed record BenchReport
{
    public required string Model { get; init; }

    public required string Workload { get; init; }

    /// <summary>paged or contiguous.</summary>
    public required string Engine { get; init; }

    public required string Device { get; init; }

    public required int MaxNumSeqs { get; init; }

    /// <summary>Until the model is in memory: reading its checkpoint, or drawing random weights.</summary>
    public required double LoadSeconds { get; init; }

    /// <summary>Sampled tokens.</summary>
    public required long NewTokens { get; init; }

    /// <summary>From the first submission to the last answer.</summary>
    public required double Seconds { get; init; }

    public required double TokensPerSecond { get; init; }

    /// <summary>Prompt tokens computed; shared and cached ones are computed once.</summary>
    public required long PrefillTokens { get; init; }

    /// <summary>In steps that computed prompt tokens.</summary>
    public required double PrefillSeconds { get; init; }

    /// <summary>Forward passes.</summary>
    public required int DecodeSteps { get; init; }

    /// <summary>In the model's forward.</summary>
    public required double ForwardSeconds { get; init; }

    /// <summary>In the sampler.</summary>
    public required double SamplingSeconds { get; init; }

    /// <summary>Share of the steps' time in neither: planning, messages, block tables, bookkeeping.</summary>
    public required double OutsideForwardAndSamplingShare { get; init; }

    /// <summary>Share of the steps' time outside the model's forward, sampling included.</summary>
    public required double OutsideForwardShare { get; init; }

    /// <summary>The most memory the process held.</summary>
    public required long PeakDeviceBytes { get; init; }

    public required int KvBlocksTotal { get; init; }

    public required int KvBlocksPeak { get; init; }

    /// <summary>Blocks that the same sequences would have held without sharing.</summary>
    public required int LogicalBlocksPeak { get; init; }

    public required int Preemptions { get; init; }

    /// <param name="options">What was asked for.</param>
    /// <param name="settings">What that made of the configuration.</param>
    /// <param name="stats">The decoder's, of the workload alone.</param>
    /// <param name="load">See <see cref="LoadSeconds"/>.</param>
    /// <param name="seconds">See <see cref="Seconds"/>.</param>
    public static BenchReport Of(
        BenchOptions options, RolloutSettings settings, DecoderStats stats, TimeSpan load, double seconds) => new()
        {
            Model = options.Shape ?? options.Model!,
            Workload = Path.GetFileName(options.Workload),
            Engine = settings.Engine == CacheEngine.Paged ? "paged" : "contiguous",
            Device = settings.Device,
            MaxNumSeqs = settings.Decoder.MaxNumSeqs,
            LoadSeconds = load.TotalSeconds,
            NewTokens = stats.NewTokens,
            Seconds = seconds,
            TokensPerSecond = stats.NewTokens / seconds,
            PrefillTokens = stats.PrefillTokens,
            PrefillSeconds = stats.PrefillSeconds,
            DecodeSteps = stats.Steps,
            ForwardSeconds = stats.ForwardSeconds,
            SamplingSeconds = stats.SamplingSeconds,
            OutsideForwardAndSamplingShare = 1 - ((stats.ForwardSeconds + stats.SamplingSeconds) / stats.BusySeconds),
            OutsideForwardShare = 1 - (stats.ForwardSeconds / stats.BusySeconds),
            PeakDeviceBytes = System.Diagnostics.Process.GetCurrentProcess().PeakWorkingSet64,
            KvBlocksTotal = stats.BlocksTotal,
            KvBlocksPeak = stats.BlocksInUsePeak,
            LogicalBlocksPeak = stats.LogicalBlocksPeak,
            Preemptions = stats.Preemptions,
        };
}
