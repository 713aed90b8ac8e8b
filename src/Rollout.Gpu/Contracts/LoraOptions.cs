namespace Rollout.Gpu.Contracts;

/// <summary>A new LoRA adapter. Names and meaning are those of PEFT's LoraConfig.</summary>
public sealed record LoraOptions
{
    /// <summary>The rank; 0 trains the model's own weights.</summary>
    public required int R { get; init; }

    /// <summary>The sum is multiplied by alpha / r, or alpha / √r with <see cref="UseRslora"/>.</summary>
    public required double LoraAlpha { get; init; }

    /// <summary>Names of modules or their ends at a dot; "all-linear" alone is every projection of a layer.</summary>
    public required IReadOnlyList<string> TargetModules { get; init; }

    /// <summary>Names of modules, or their ends at a dot, that are no targets.</summary>
    public IReadOnlyList<string> ExcludeModules { get; init; } = [];

    /// <summary>The layers that have adapters, from 0; empty for all.</summary>
    public IReadOnlyList<int> LayersToTransform { get; init; } = [];

    /// <summary>The probability with which a number of a projection's input is dropped in training.</summary>
    public double LoraDropout { get; init; }

    public bool UseRslora { get; init; }

    /// <summary>An adapter is trained.</summary>
    public bool IsOn => R > 0;
}
