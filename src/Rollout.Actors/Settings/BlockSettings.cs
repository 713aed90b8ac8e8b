namespace Rollout.Actors.Settings;

/// <summary>The section <c>blocks</c>: the KV pool of a device.</summary>
public sealed record BlockSettings
{
    /// <summary>Tokens in a block.</summary>
    public required int BlockSize { get; init; }

    /// <summary>Blocks of the pool; 0 derives them from memory.</summary>
    public required int Count { get; init; }

    /// <summary>The size of the pool on a CPU in bytes.</summary>
    public required long Memory { get; init; }

    /// <summary>The share of a GPU's free memory that the pool takes.</summary>
    public required double GpuMemoryUtilization { get; init; }

    /// <summary>Keep the full blocks of prompts for later prompts with the same beginning.</summary>
    public required bool PrefixCaching { get; init; }

    public static BlockSettings From(ConfigSection section) => new()
    {
        BlockSize = section.Whole("block-size", Bounds.Between(1, 4096)),
        Count = section.Whole("count", Bounds.AtLeast(0)),
        Memory = section.Bytes("memory"),
        GpuMemoryUtilization = section.Number("gpu-memory-utilization", Bounds.AboveUpTo(0, 1)),
        PrefixCaching = section.Bool("prefix-caching"),
    };
}
