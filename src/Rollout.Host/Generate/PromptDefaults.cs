using Rollout.Gpu.Contracts;

namespace Rollout.Host.Generate;

/// <summary>What holds for every prompt that says nothing else, and what none may exceed.</summary>
public sealed record PromptDefaults
{
    /// <summary>How a sample is drawn; a line may change its new tokens.</summary>
    public required SamplingParams Sampling { get; init; }

    /// <summary>Samples of a prompt as the command line says; null leaves it to the lines, or else 1.</summary>
    public required int? Samples { get; init; }

    /// <summary>Tokens of a sequence at most, prompt included.</summary>
    public required int MaxModelLength { get; init; }
}
