namespace Rollout.Actors.Protocol;

/// <summary>One process of the cluster. Another one that takes its address later is another host.</summary>
/// <param name="Address">Host and port.</param>
/// <param name="Uid">The actor system's own number, as cluster membership names it.</param>
public readonly record struct HostId(string Address, int Uid)
{
    public override string ToString() => Address;
}

/// <summary>
/// Counts hand-overs of the scheduler. What names an older one than the highest that was seen comes from a scheduler
/// that has been replaced, and commands nobody.
/// </summary>
public readonly record struct SchedulerEpoch(long Value)
{
    /// <summary>The end of the year 9999. Larger ones are refused.</summary>
    public static SchedulerEpoch Largest { get; } = new(DateTimeOffset.MaxValue.ToUnixTimeMilliseconds());

    public override string ToString() => $"scheduler epoch {Value}";
}

/// <summary>
/// One assignment of samples to a decoder; no two of a scheduler's epoch are the same. What a decoder reports of a sample
/// under an earlier assignment means nothing.
/// </summary>
public readonly record struct AssignmentId(int Value)
{
    public override string ToString() => $"assignment {Value}";
}
