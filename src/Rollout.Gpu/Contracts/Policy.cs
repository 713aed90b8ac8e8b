namespace Rollout.Gpu.Contracts;

/// <summary>The weights of one moment, in the whole cluster.</summary>
/// <param name="Run">A random number of the trainer process's run; 0 for weights as they were loaded from disk.</param>
/// <param name="Version">Counts the run's training steps.</param>
public readonly record struct Policy(long Run, PolicyVersion Version)
{
    public override string ToString() => Run == 0 ? $"{Version} as loaded" : $"{Version} of run {Run:x}";
}
