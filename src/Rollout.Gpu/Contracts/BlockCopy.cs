namespace Rollout.Gpu.Contracts;

/// <summary>A copy-on-write of a whole block, made before the step's forward pass writes to the destination.</summary>
public readonly record struct BlockCopy(BlockId Source, BlockId Destination);
