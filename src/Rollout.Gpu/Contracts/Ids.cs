namespace Rollout.Gpu.Contracts;

/// <summary>A block of the paged KV pool of one device: an index into its storage.</summary>
public readonly record struct BlockId(int Value)
{
    public override string ToString() => $"block {Value}";
}

/// <summary>One prompt and its samples.</summary>
/// <param name="Value">Unique in a run: training step and prompt make it. Part of every token's randomness.</param>
/// <param name="Client">
/// Who submitted it, where several clients share a cluster: keeps equal values of two clients apart, and is no part of
/// the randomness.
/// </param>
public readonly record struct GroupId(long Value, int Client = 0)
{
    public override string ToString() => $"group {Value}";
}

/// <summary>One sampled completion of a group: sample is 0 … num_generations − 1.</summary>
public readonly record struct SequenceId(GroupId Group, int Sample)
{
    public override string ToString() => $"{Group} sample {Sample}";
}

/// <summary>Counts optimizer steps. A rollout carries the version that sampled each of its tokens.</summary>
public readonly record struct PolicyVersion(int Value)
{
    public PolicyVersion Next() => new(Value + 1);

    public override string ToString() => $"policy {Value}";
}

/// <summary>Which weights: a training run, and its version. Equal numbers of two runs are different weights.</summary>
/// <param name="Run">Drawn by the trainer's process when it starts; 0 for weights as they were loaded from disk.</param>
/// <param name="Version">The version in that run.</param>
public readonly record struct Policy(long Run, PolicyVersion Version)
{
    public override string ToString() => Version.ToString();
}
