using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Protocol;

/// <summary>One process of the cluster. Another one that takes its address later is another host.</summary>
/// <param name="Address">Host and port.</param>
/// <param name="Uid">The actor system's own number, as cluster membership names it.</param>
public readonly record struct HostId(string Address, int Uid)
{
    public override string ToString() => Address;
}

/// <summary>Which weights: a training run, and its version. Equal numbers of two runs are different weights.</summary>
/// <param name="Run">Drawn by the trainer's process when it starts; 0 for weights as they were loaded from disk.</param>
/// <param name="Version">The version in that run.</param>
public readonly record struct Policy(long Run, PolicyVersion Version)
{
    public override string ToString() => Version.ToString();
}

/// <summary>
/// Counts hand-overs of the scheduler. What names an older one than the highest that was seen comes from a scheduler
/// that has been replaced, and commands nobody.
/// </summary>
public readonly record struct SchedulerEpoch(long Value)
{
    public override string ToString() => $"scheduler epoch {Value}";
}
