using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Execution;
using TorchSharp;

namespace Rollout.Host.Engine;

/// <summary>
/// The KV pool that the configuration asks for. Its size is known and checked before anything is allocated; only a GPU's
/// may depend on the memory that is free after the model is loaded.
/// </summary>
public sealed class KvPool
{
    private readonly RolloutSettings _settings;
    private readonly KvCacheShape _shape;
    private readonly ConfigSection _blocks;
    private readonly torch.ScalarType _dtype;

    /// <exception cref="ConfigurationException">The memory holds not even one block, or not every contiguous row.</exception>
    /// <exception cref="UnsupportedModelException">The GPU's kernels don't support the model or the block size.</exception>
    /// <exception cref="UnsupportedDeviceException">The kernels don't support the GPU.</exception>
    public KvPool(ConfigTree tree, RolloutSettings settings, ModelConfig model)
    {
        _blocks = tree.Rollout.Section("blocks");
        _settings = settings;
        _shape = KvCacheShape.Of(model);
        _dtype = PolicyModel.Dtype(settings);
        if (PolicyModel.IsCuda(settings) && settings.Engine == CacheEngine.Paged)
        {
            ModelRunners.RequireGpu(model, PolicyModel.Ordinal(settings), settings.Blocks.BlockSize, _dtype);
            if (settings.Blocks.Count > 0)
                Geometry = OnGpu(settings.Blocks);
            return;
        }
        Geometry = settings.Engine == CacheEngine.Paged
            ? Paged(settings.Blocks)
            : Contiguous(PolicyModel.MaxModelLength(settings, model));
        if (PolicyModel.IsCuda(settings))
            return;
        var bytes = (decimal)_shape.BytesPerToken(ElementBytes) * Geometry.BlockCount * Geometry.BlockSize;
        var available = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (bytes > available || (long)Geometry.BlockCount * Geometry.BlockSize > int.MaxValue)
        {
            throw Unusable(
                $"a pool of at most {int.MaxValue} tokens that fits the machine's {available} bytes, not one of {bytes}");
        }
    }

    private int ElementBytes => (int)_dtype.ElementSize();

    /// <summary>The pool's size; null where it depends on the free memory.</summary>
    public KvCacheGeometry? Geometry { get; }

    /// <summary>Refuses a pool of known size that can't hold all samples of a group at their longest.</summary>
    /// <exception cref="ConfigurationException">The pool is too small; the sentence has the numbers.</exception>
    public void RequireRoomFor(GroupRequest group)
    {
        if (Geometry is null)
            return;
        var shared = _settings.Engine == CacheEngine.Paged ? group.Prompt.Length / Geometry.BlockSize : 0;
        var needed = shared + group.Samples.Sum(sample =>
            Geometry.BlocksFor(group.Prompt.Length + sample.MaxTokens) - shared);
        if (needed > Geometry.BlockCount)
        {
            throw Unusable(
                $"at least {needed} blocks of {Geometry.BlockSize} tokens for one group of {group.Samples.Length} samples"
                + $" (prompt of {group.Prompt.Length}, up to {group.Samples.Max(sample => sample.MaxTokens)} new tokens),"
                + $" and the pool has {Geometry.BlockCount}");
        }
    }

    private KvCacheGeometry Paged(BlockSettings blocks)
    {
        if (blocks.Count > 0)
            return new KvCacheGeometry(blocks.Count, blocks.BlockSize);
        var blockBytes = _shape.BytesPerToken(ElementBytes) * blocks.BlockSize;
        return blocks.Memory >= blockBytes
            ? _shape.Geometry(ElementBytes, blocks.BlockSize, blocks.Memory)
            : throw Unusable($"at least {blockBytes} bytes for one block");
    }

    /// <summary>The configured number of blocks, if an empty device could hold them. Allocation shows what is really free.</summary>
    private KvCacheGeometry OnGpu(BlockSettings blocks)
    {
        using var memory = PolicyModel.Memory(_settings);
        var use = memory!.Read();
        var most = (use.Reserved + use.Free) / (_shape.BytesPerToken(ElementBytes) * blocks.BlockSize);
        return blocks.Count <= most
            ? new KvCacheGeometry(blocks.Count, blocks.BlockSize)
            : throw Unusable($"at most {most} blocks, which all of the device's memory holds");
    }

    /// <summary>One row of the longest length for each running sequence.</summary>
    private KvCacheGeometry Contiguous(int maxModelLength)
    {
        var rows = _settings.Decoder.MaxNumSeqs;
        var bytes = rows * _shape.BytesPerToken(ElementBytes) * maxModelLength;
        return bytes <= _settings.Blocks.Memory
            ? new KvCacheGeometry(rows, maxModelLength)
            : throw _blocks.Invalid(
                "memory",
                $"at least {bytes} bytes for {rows} contiguous rows (decoder.max-num-seqs) of {maxModelLength} tokens"
                + " (decoder.max-model-len)");
    }

    private ConfigurationException Unusable(string expected) =>
        _blocks.Invalid(_settings.Blocks.Count > 0 ? "count" : "memory", expected);
}
