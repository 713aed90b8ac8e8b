namespace Rollout.Gpu.Contracts;

/// <summary>The shape of a device's KV pool: <see cref="BlockCount"/> blocks of <see cref="BlockSize"/> tokens.</summary>
public sealed record KvCacheGeometry(int BlockCount, int BlockSize)
{
    /// <summary>Blocks that hold this many tokens of one sequence.</summary>
    public int BlocksFor(int tokens) => BlocksFor(tokens, BlockSize);

    /// <inheritdoc cref="BlocksFor(int)"/>
    public static int BlocksFor(int tokens, int blockSize) => (int)(((long)tokens + blockSize - 1) / blockSize);
}
