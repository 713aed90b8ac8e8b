namespace Rollout.Gpu.Contracts;

/// <summary>A block of one device's paged KV pool, as an index into its storage.</summary>
public readonly record struct BlockId(int Value)
{
    public override string ToString() => $"block {Value}";
}

/// <summary>One prompt and its samples.</summary>
/// <param name="Value">
/// Unique in a run. In training the number of its prompt, counted over all steps; below 0 in an evaluation. Part of every
/// token's randomness.
/// </param>
/// <param name="Client">
/// The client that submitted the group. It keeps equal values of two clients apart and is not part of the randomness.
/// </param>
public readonly record struct GroupId(long Value, int Client = 0)
{
    public override string ToString() => $"group {Value}";
}

/// <summary>One sampled completion of a group. Samples are numbered 0 … num_generations − 1.</summary>
public readonly record struct SequenceId(GroupId Group, int Sample)
{
    public override string ToString() => $"{Group} sample {Sample}";
}

/// <summary>Counts training steps: each ends with one new version. A rollout carries the version that sampled each of its tokens.</summary>
public readonly record struct PolicyVersion(int Value)
{
    public PolicyVersion Next() => new(Value + 1);

    public override string ToString() => $"policy {Value}";
}

/// <summary>Identifies weights by training run and version. Equal versions of two runs are different weights.</summary>
/// <param name="Run">A number that the trainer's process draws at its start; 0 for weights loaded from disk.</param>
/// <param name="Version">The version in that run.</param>
public readonly record struct Policy(long Run, PolicyVersion Version)
{
    /// <summary>Names the run by four hexadecimal digits, which is enough to see that two runs differ.</summary>
    public override string ToString() => Run == 0 ? Version.ToString() : $"{Version} of run {Run & 0xffff:x}";
}
