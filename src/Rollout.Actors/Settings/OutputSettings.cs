namespace Rollout.Actors.Settings;

/// <summary>The section <c>output</c>: what a run writes.</summary>
public sealed record OutputSettings
{
    /// <summary>Training steps between checkpoints; 0 writes only the last.</summary>
    public required int CheckpointEvery { get; init; }

    /// <summary>Newest checkpoints to keep; 0 keeps all.</summary>
    public required int KeepLast { get; init; }

    /// <summary>Saves, and keeps, the checkpoint of the highest held-out accuracy.</summary>
    public required bool KeepBest { get; init; }

    /// <summary>Samples per step in rollouts.jsonl; 0 writes all.</summary>
    public required int RolloutsPerStep { get; init; }

    /// <summary>Writes event files for TensorBoard.</summary>
    public required bool TensorBoard { get; init; }

    public static OutputSettings From(ConfigSection section) => new()
    {
        CheckpointEvery = section.Whole("checkpoint-every", Bounds.AtLeast(0)),
        KeepLast = section.Whole("keep-last", Bounds.AtLeast(0)),
        KeepBest = section.Bool("keep-best"),
        RolloutsPerStep = section.Whole("rollouts-per-step", Bounds.AtLeast(0)),
        TensorBoard = section.Bool("tensorboard"),
    };
}
