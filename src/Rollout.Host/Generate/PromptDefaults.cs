using Rollout.Gpu.Contracts;

namespace Rollout.Host.Generate;

/// <summary>The command line's values for prompts whose lines say nothing else, and the bounds of all prompts.</summary>
internal sealed record PromptDefaults
{
    /// <summary>The samples that one prompt may ask for.</summary>
    public const int MostSamples = 65_536;

    /// <summary>The field with a prompt's text.</summary>
    public required string PromptField { get; init; }

    /// <summary>How a sample is drawn. Its number of new tokens is the most where neither line nor command line has one.</summary>
    public required SamplingParams Sampling { get; init; }

    /// <summary>New tokens of a sample where the line has no number of its own; null takes as many as fit.</summary>
    public required int? MaxTokens { get; init; }

    /// <summary>Samples of a prompt; null leaves it to the lines, or else 1.</summary>
    public required int? Samples { get; init; }

    /// <summary>The longest sequence in tokens, prompt included.</summary>
    public required int MaxModelLength { get; init; }

    /// <summary>The longest sequence that the KV pool holds too.</summary>
    public required int Longest { get; init; }
}
