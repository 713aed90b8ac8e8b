using Rollout.Gpu.Contracts;

namespace Rollout.Host.Generate;

/// <summary>The command line's values for prompts whose lines say nothing else, and the bounds of all prompts.</summary>
internal sealed record PromptDefaults
{
    /// <summary>The samples that one prompt may ask for.</summary>
    public const int MostSamples = 65_536;

    /// <summary>How a sample is drawn; a line may change its number of new tokens.</summary>
    public required SamplingParams Sampling { get; init; }

    /// <summary>Samples of a prompt; null leaves it to the lines, or else 1.</summary>
    public required int? Samples { get; init; }

    /// <summary>The longest sequence in tokens, prompt included.</summary>
    public required int MaxModelLength { get; init; }
}
