using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;
using Rollout.Host.Invocation;

namespace Rollout.Host.Bench;

/// <summary>What a benchmark prints, as JSON with these names in snake_case.</summary>
public sealed record BenchReport
{
    public required string Model { get; init; }

    public required string Workload { get; init; }

    /// <summary>paged or contiguous.</summary>
    public required string Engine { get; init; }

    public required string Device { get; init; }

    /// <summary>What a GPU's maker calls it. Null on a CPU.</summary>
    public required string? DeviceName { get; init; }

    /// <summary>float32 or bfloat16.</summary>
    public required string Dtype { get; init; }

    public required int MaxNumSeqs { get; init; }

    /// <summary>Until the model is in memory: reading its checkpoint, or drawing random weights.</summary>
    public required double LoadSeconds { get; init; }

    /// <summary>
    /// Until the decoder has answered a first group: buffers, on a GPU also kernels, KV pool and recorded steps.
    /// </summary>
    public required double StartupSeconds { get; init; }

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

    /// <summary>In the model's forward; on a GPU the time that the device itself took, sampling included.</summary>
    public required double ForwardSeconds { get; init; }

    /// <summary>In the sampler; 0 on a GPU, where it is part of the forward.</summary>
    public required double SamplingSeconds { get; init; }

    /// <summary>
    /// Share of the steps' time in neither: planning, messages, block tables, bookkeeping. On a GPU, where these go on
    /// beside the device's work: the share that lies between steps, in which the device had nothing to do. Within a step,
    /// where one kernel waits for another, all counts as forward.
    /// </summary>
    public required double OutsideForwardAndSamplingShare { get; init; }

    /// <summary>Share of the steps' time outside the model's forward, sampling included.</summary>
    public required double OutsideForwardShare { get; init; }

    /// <summary>The most memory of the device in use; on a CPU, the most that the process held.</summary>
    public required long PeakDeviceBytes { get; init; }

    /// <summary>
    /// By how much the device's free memory has shrunk over the workload: 0 where no step takes any. Null on a CPU.
    /// </summary>
    public required long? DeviceBytesTaken { get; init; }

    public required int KvBlocksTotal { get; init; }

    public required int KvBlocksPeak { get; init; }

    /// <summary>Blocks that the same sequences would have held without sharing.</summary>
    public required int LogicalBlocksPeak { get; init; }

    public required int Preemptions { get; init; }

    /// <param name="options">What was asked for.</param>
    /// <param name="settings">What that made of the configuration.</param>
    /// <param name="stats">The decoder's, of the workload alone.</param>
    /// <param name="times">What was measured from outside.</param>
    /// <param name="deviceName">A GPU's; null on a CPU.</param>
    /// <param name="before">A GPU's memory before the workload; null on a CPU.</param>
    /// <param name="after">And after it.</param>
    public static BenchReport Of(
        BenchOptions options, RolloutSettings settings, DecoderStats stats, BenchTimes times, string? deviceName,
        DeviceMemoryUse? before, DeviceMemoryUse? after) => new()
        {
            Model = options.Shape ?? options.Model!,
            Workload = Path.GetFileName(options.Workload),
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

/// <summary>Seconds that a benchmark measures by the clock.</summary>
/// <param name="Load">See <see cref="BenchReport.LoadSeconds"/>.</param>
/// <param name="Startup">See <see cref="BenchReport.StartupSeconds"/>.</param>
/// <param name="Workload">See <see cref="BenchReport.Seconds"/>.</param>
public sealed record BenchTimes(double Load, double Startup, double Workload);
