namespace Rollout.Gpu.Contracts;

/// <summary>A copy-on-write: the whole block is copied before the step's forward writes to the destination.</summary>
public readonly record struct BlockCopy(BlockId Source, BlockId Destination);
