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
    /// <param name="output">Of the step.</param>
    /// <param name="prefillTokens">Prompt tokens that it computed.</param>
    /// <param name="newTokens">Tokens that it sampled for sequences that had neither ended nor started over.</param>
    public void StepDone(StepOutput output, int prefillTokens, int newTokens)
    {
        var seconds = Lap();
        _stats = _stats with
        {
            Steps = _stats.Steps + 1,
            PrefillTokens = _stats.PrefillTokens + prefillTokens,
            NewTokens = _stats.NewTokens + newTokens,
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
        _stats = _stats with { Preemptions = _stats.Preemptions + preempted };
        if ((usage.InUse, usage.Logical).CompareTo((_stats.BlocksInUsePeak, _stats.LogicalBlocksPeak)) > 0)
            _stats = _stats with { BlocksInUsePeak = usage.InUse, LogicalBlocksPeak = usage.Logical };
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
