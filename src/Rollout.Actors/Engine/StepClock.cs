using Rollout.Actors.Blocks;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Engine;

/// <summary>Adds up what an engine's steps did and how long they took.</summary>
public sealed class StepClock(TimeProvider time, int blocksTotal)
{
    private DecoderStats _stats = new() { BlocksTotal = blocksTotal };
    private long? _busySince;

    /// <summary>There is work: time counts as busy from now on.</summary>
    public void Start() => _busySince ??= time.GetTimestamp();

    /// <summary>There is nothing to do: time does not count.</summary>
    public void Stop() => _busySince = null;

    /// <summary>Counts a finished step. The next one's time begins.</summary>
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

    /// <summary>Counts a failed step.</summary>
    public void StepFailed() => _stats = _stats with
    {
        StepFailures = _stats.StepFailures + 1,
        BusySeconds = _stats.BusySeconds + Lap(),
    };

    /// <summary>Records the pool's usage after a grant.</summary>
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

    /// <summary>Returns the counts; with reset they start again from zero.</summary>
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
