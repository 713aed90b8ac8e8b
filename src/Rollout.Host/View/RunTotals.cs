using Rollout.Host.Tracking;

namespace Rollout.Host.View;

/// <summary>
/// What the view and the summary say of a run's steps, in memory that does not grow with the run. Steps come in order.
/// </summary>
internal sealed class RunTotals
{
    private const int Window = 20;

    private readonly Queue<double> _seconds = [];

    /// <summary>The steps so far.</summary>
    public int Count { get; private set; }

    public StepMetrics? First { get; private set; }

    public StepMetrics? Last { get; private set; }

    /// <summary>The step of the highest mean reward.</summary>
    public StepMetrics? Best { get; private set; }

    public double BestRolloutRate { get; private set; } = double.NaN;

    public double BestTrainRate { get; private set; } = double.NaN;

    public double Seconds { get; private set; }

    public double FailedGroups { get; private set; }

    public double Preemptions { get; private set; }

    public double SkippedUpdates { get; private set; }

    /// <summary>NaN if that of a step is NaN; null where no step compared log-probabilities.</summary>
    public double? LargestDifference { get; private set; }

    /// <summary>Steps with a metric that is NaN or infinite.</summary>
    public int BrokenSteps { get; private set; }

    public HeldOutAccuracy? FirstAccuracy { get; private set; }

    public HeldOutAccuracy? LastAccuracy { get; private set; }

    public HeldOutAccuracy? BestAccuracy { get; private set; }

    public void Add(StepMetrics step)
    {
        Count++;
        First ??= step;
        Last = step;
        if (Best is null || step[Metrics.Reward].CompareTo(Best[Metrics.Reward]) > 0) // NaN is the lowest
            Best = step;
        BestRolloutRate = double.MaxNumber(BestRolloutRate, step[Metrics.RolloutRate]);
        BestTrainRate = double.MaxNumber(BestTrainRate, step[Metrics.TrainRate]);
        Seconds += step[Metrics.StepSeconds];
        FailedGroups += step[Metrics.FailedGroups];
        Preemptions += step[Metrics.Preemptions];
        SkippedUpdates += step.Find(Metrics.SkippedUpdates) ?? 0;
        if (step.Find(Metrics.LogprobDifferenceMax) is { } difference)
            LargestDifference = Math.Max(LargestDifference ?? difference, difference); // keeps NaN
        BrokenSteps += step.AreFinite ? 0 : 1;
        _seconds.Enqueue(step[Metrics.StepSeconds]);
        if (_seconds.Count > Window)
            _seconds.Dequeue();
        if (step.Find(Metrics.HeldOutAccuracy) is { } share)
            Add(new HeldOutAccuracy(step.Step, share));
    }

    /// <summary>Adds what was measured after a step; what it measured again changes nothing.</summary>
    public void Add(HeldOutAccuracy accuracy)
    {
        if (LastAccuracy?.Step == accuracy.Step)
            return;
        FirstAccuracy ??= accuracy;
        LastAccuracy = accuracy;
        if (BestAccuracy is null || accuracy.Share > BestAccuracy.Share)
            BestAccuracy = accuracy;
    }

    /// <summary>
    /// The remaining steps of so many, at the mean time of the last 20; zero before the first step and after the last.
    /// </summary>
    public TimeSpan TimeLeft(int steps)
    {
        var left = Last is null ? 0 : Math.Max(0, steps - Last.Step) * _seconds.Average();
        return double.IsFinite(left) ? TimeSpan.FromSeconds(left) : TimeSpan.Zero;
    }
}
