using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;
using Rollout.Host.Invocation;

namespace Rollout.Host.Bench;

/// <summary>The figures of a benchmark, printed as JSON with these names in snake_case.</summary>
internal sealed record BenchReport
{
    public required string Model { get; init; }

    public required string Workload { get; init; }

    /// <summary>"paged" or "contiguous".</summary>
    public required string Engine { get; init; }

    public required string Device { get; init; }

    /// <summary>The GPU's product name; null on a CPU.</summary>
    public required string? DeviceName { get; init; }

    /// <summary>"float32" or "bfloat16".</summary>
    public required string Dtype { get; init; }

    public required int MaxNumSeqs { get; init; }

    /// <summary>The time to read the checkpoint, or to draw random weights.</summary>
    public required double LoadSeconds { get; init; }

    /// <summary>
    /// The time from the start of the decoder to its first finished group: it allocates buffers, and on a GPU also compiles
    /// kernels, allocates the KV pool and records steps.
    /// </summary>
    public required double StartupSeconds { get; init; }

    /// <summary>The number of sampled tokens.</summary>
    public required long NewTokens { get; init; }

    /// <summary>The time from the first submission to the last outcome.</summary>
    public required double Seconds { get; init; }

    public required double TokensPerSecond { get; init; }

    /// <summary>The number of computed prompt tokens; shared and cached ones are computed once.</summary>
    public required long PrefillTokens { get; init; }

    /// <summary>The time of steps that computed prompt tokens.</summary>
    public required double PrefillSeconds { get; init; }

    /// <summary>The number of forward passes.</summary>
    public required int DecodeSteps { get; init; }

    /// <summary>The time in the model's forward; on a GPU the device's own time, sampling included.</summary>
    public required double ForwardSeconds { get; init; }

    /// <summary>The time in the sampler; 0 on a GPU, where it is part of the forward.</summary>
    public required double SamplingSeconds { get; init; }

    /// <summary>
    /// On a CPU, the share of the steps' time outside forward and sampling: planning, messages, block tables, bookkeeping.
    /// On a GPU these overlap the device's work: the share of time between steps, when the device is idle. Time within a
    /// step, when one kernel waits for another, counts as forward.
    /// </summary>
    public required double OutsideForwardAndSamplingShare { get; init; }

    /// <summary>The share of the steps' time outside the model's forward; sampling is outside.</summary>
    public required double OutsideForwardShare { get; init; }

    /// <summary>The peak of the device's used memory; on a CPU, of the process's.</summary>
    public required long PeakDeviceBytes { get; init; }

    /// <summary>
    /// The device memory that was allocated during the workload: 0 where no step allocates any. Null on a CPU.
    /// </summary>
    public required long? DeviceBytesTaken { get; init; }

    public required int KvBlocksTotal { get; init; }

    public required int KvBlocksPeak { get; init; }

    /// <summary>The blocks that the same sequences would have held without sharing.</summary>
    public required int LogicalBlocksPeak { get; init; }

    public required int Preemptions { get; init; }

    /// <param name="options">The command line.</param>
    /// <param name="settings">The configuration with the command line's options.</param>
    /// <param name="stats">The decoder's statistics of the workload, without the warm-up.</param>
    /// <param name="times">The times measured by the clock.</param>
    /// <param name="deviceName">The GPU's product name; null on a CPU.</param>
    /// <param name="before">The GPU's memory before the workload; null on a CPU.</param>
    /// <param name="after">The GPU's memory after the workload; null on a CPU.</param>
    public static BenchReport Of(
        BenchOptions options, RolloutSettings settings, DecoderStats stats, BenchTimes times, string? deviceName,
        DeviceMemoryUse? before, DeviceMemoryUse? after) => new()
        {
            Model = options.Shape ?? options.Model!,
            Workload = Path.GetFileName(options.Workload!),
            Engine = settings.Engine == CacheEngine.Paged ? "paged" : "contiguous",
            Device = settings.Device,
            DeviceName = deviceName,
            Dtype = settings.Dtype == WeightType.Bfloat16 ? "bfloat16" : "float32",
            MaxNumSeqs = settings.Decoder.MaxNumSeqs,
            LoadSeconds = times.Load,
            StartupSeconds = times.Startup,
            NewTokens = stats.NewTokens,
            Seconds = times.Workload,
            TokensPerSecond = stats.NewTokens / times.Workload,
            PrefillTokens = stats.PrefillTokens,
            PrefillSeconds = stats.PrefillSeconds,
            DecodeSteps = stats.Steps,
            ForwardSeconds = stats.ForwardSeconds,
            SamplingSeconds = stats.SamplingSeconds,
            OutsideForwardAndSamplingShare = 1 - ((stats.ForwardSeconds + stats.SamplingSeconds) / stats.BusySeconds),
            OutsideForwardShare = 1 - (stats.ForwardSeconds / stats.BusySeconds),
            PeakDeviceBytes = after?.Peak ?? System.Diagnostics.Process.GetCurrentProcess().PeakWorkingSet64,
            DeviceBytesTaken = before?.Free - after?.Free,
            KvBlocksTotal = stats.BlocksTotal,
            KvBlocksPeak = stats.BlocksInUsePeak,
            LogicalBlocksPeak = stats.LogicalBlocksPeak,
            Preemptions = stats.Preemptions,
        };
}

/// <summary>The seconds that a benchmark measures by the clock.</summary>
/// <param name="Load">See <see cref="BenchReport.LoadSeconds"/>.</param>
/// <param name="Startup">See <see cref="BenchReport.StartupSeconds"/>.</param>
/// <param name="Workload">See <see cref="BenchReport.Seconds"/>.</param>
internal sealed record BenchTimes(double Load, double Startup, double Workload);
