namespace Rollout.Gpu.Contracts;

/// <summary>The shape of what a model caches of every token: a key and a value per layer and KV head.</summary>
/// <param name="LayerCount">Decoder layers.</param>
/// <param name="HeadCount">Query heads, a multiple of <paramref name="KvHeadCount"/>.</param>
/// <param name="KvHeadCount">Heads of keys and values.</param>
/// <param name="HeadDim">Numbers of a head.</param>
public sealed record KvCacheShape(int LayerCount, int HeadCount, int KvHeadCount, int HeadDim)
{
    /// <summary>Query heads that share a head of keys and values.</summary>
    public int QueriesPerKvHead => HeadCount / KvHeadCount;

    /// <summary>The cache shape of a model.</summary>
    public static KvCacheShape Of(ModelConfig config) =>
        new(config.LayerCount, config.HeadCount, config.KvHeadCount, config.HeadDim);

    /// <summary>Bytes of one token's keys and values in all layers.</summary>
    /// <param name="elementBytes">The bytes of one number.</param>
    public long BytesPerToken(int elementBytes) => 2L * LayerCount * KvHeadCount * HeadDim * elementBytes;

    /// <summary>
    /// A pool of as many blocks as these bytes hold. A contiguous cache takes the longest sequence as block size.
    /// </summary>
    /// <exception cref="ArgumentException">Not one block fits.</exception>
    public KvCacheGeometry Geometry(int elementBytes, int blockSize, long bytes)
    {
        var blockBytes = BytesPerToken(elementBytes) * blockSize;
        if (bytes < blockBytes)
        {
            throw new ArgumentException(
                $"{bytes} bytes of KV cache hold no block: one of {blockSize} tokens takes {blockBytes} bytes.");
        }

        // Slots (block × block_size + offset) are 32-bit.
        return new KvCacheGeometry((int)Math.Min(bytes / blockBytes, int.MaxValue / blockSize), blockSize);
    }
}
