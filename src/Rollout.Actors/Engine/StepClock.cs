using Rollout.Actors.Blocks;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Engine;

/// <summary>Adds up what a decoder's steps did and where their time went.</summary>
public sealed class StepClock(TimeProvider time, int blocksTotal)
{
    private DecoderStats _stats = new() { BlocksTotal = blocksTotal };
    private long? _busySince;

    /// <summary>The decoder has work from now on: what passes until the step's end counts as its time.</summary>
    public void Start() => _busySince ??= time.GetTimestamp();

    /// <summary>The decoder has nothing to do.</summary>
    public void Stop() => _busySince = null;

    /// <summary>A step has ended; the next one's time begins.</summary>
    public void StepDone(StepOutput output, int prefillTokens)
    {
        var seconds = Lap();
        _stats = _stats with
        {
            Steps = _stats.Steps + 1,
            PrefillTokens = _stats.PrefillTokens + prefillTokens,
            NewTokens = _stats.NewTokens + output.Count,
            BusySeconds = _stats.BusySeconds + seconds,
            PrefillSeconds = _stats.PrefillSeconds + (prefillTokens > 0 ? seconds : 0),
            ForwardSeconds = _stats.ForwardSeconds + output.ForwardTime.TotalSeconds,
            SamplingSeconds = _stats.SamplingSeconds + output.SamplingTime.TotalSeconds,
        };
    }

    /// <summary>A step has failed.</summary>
    public void StepFailed() => _stats = _stats with
    {
        StepFailures = _stats.StepFailures + 1,
        BusySeconds = _stats.BusySeconds + Lap(),
    };

    /// <summary>Notes the pool as a grant left it.</summary>
    public void Granted(PoolUsage usage, int preempted)
    {
        var peak = usage.InUse > _stats.BlocksInUsePeak;
        _stats = _stats with
        {
            BlocksInUsePeak = peak ? usage.InUse : _stats.BlocksInUsePeak,
            LogicalBlocksPeak = Math.Max(usage.Logical, _stats.LogicalBlocksPeak),
            Preemptions = _stats.Preemptions + preempted,
        };
    }

    /// <summary>The counts so far; with reset they begin anew.</summary>
    public DecoderStats Read(bool reset)
    {
        var stats = _stats;
        if (reset)
            _stats = new DecoderStats { BlocksTotal = blocksTotal };
        return stats;
    }

    private double Lap()
    {
        var now = time.GetTimestamp();
        var seconds = _busySince is { } since ? time.GetElapsedTime(since, now).TotalSeconds : 0;
        _busySince = now;
        return seconds;
    }
}
