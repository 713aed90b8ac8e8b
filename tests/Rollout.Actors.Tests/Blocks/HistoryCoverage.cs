using Rollout.Actors.Blocks;

namespace Rollout.Actors.Tests.Blocks;

/// <summary>
/// Counts what random histories came across, so that a test can tell whether they came across enough.
/// </summary>
internal sealed class HistoryCoverage
{
    private PoolUsage _last;

    public int Granted { get; private set; }

    public int Hits { get; private set; }

    public int Deferred { get; private set; }

    public int Refused { get; private set; }

    public int Preempted { get; private set; }

    public int Copies { get; private set; }

    public int Appended { get; private set; }

    public int Evictions { get; private set; }

    public void Add(StepGrant grant)
    {
        Granted += grant.Answers.Count(answer => answer is AdmissionAnswer.Granted);
        Hits += grant.Answers.Count(answer => answer is AdmissionAnswer.Granted { CachedTokens: > 0 });
        Deferred += grant.Answers.Count(answer => answer is AdmissionAnswer.Deferred);
        Refused += grant.Answers.Count(answer => answer is AdmissionAnswer.Refused);
        Preempted += grant.Preempted.Length;
        Copies += grant.Copies.Length;
        Appended += grant.Changes.Length - grant.Copies.Length;
        Evictions += grant.Usage.Free == 0 && grant.Usage.Cached < _last.Cached ? 1 : 0;
        _last = grant.Usage;
    }

    public void Add(HistoryCoverage other)
    {
        Granted += other.Granted;
        Hits += other.Hits;
        Deferred += other.Deferred;
        Refused += other.Refused;
        Preempted += other.Preempted;
        Copies += other.Copies;
        Appended += other.Appended;
        Evictions += other.Evictions;
    }

    public override string ToString() =>
        $"granted {Granted}, hits {Hits}, deferred {Deferred}, refused {Refused}, preempted {Preempted},"
        + $" copies {Copies}, appended {Appended}, evictions {Evictions}";
}
