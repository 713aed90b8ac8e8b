using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Settings;

/// <summary>The section <c>sampling</c>: how a token is drawn, and when a completion ends.</summary>
public sealed record SamplingSettings
{
    /// <summary>The divisor of the logits; 0 is greedy.</summary>
    public required double Temperature { get; init; }

    /// <summary>The number of most probable tokens to sample from; 0 takes all.</summary>
    public required int TopK { get; init; }

    /// <summary>The probability of the most probable tokens to sample from.</summary>
    public required double TopP { get; init; }

    /// <summary>The share of the largest probability below which tokens are dropped.</summary>
    public required double MinP { get; init; }

    /// <summary>The most new tokens of a completion.</summary>
    public required int MaxTokens { get; init; }

    /// <summary>Go on past the end-of-sequence token.</summary>
    public required bool IgnoreEos { get; init; }

    public static SamplingSettings From(ConfigSection section) => new()
    {
        Temperature = section.Number("temperature", Bounds.Between(0, 100)),
        TopK = section.Whole("top-k", Bounds.AtLeast(0)),
        TopP = section.Number("top-p", Bounds.AboveUpTo(0, 1)),
        MinP = section.Number("min-p", Bounds.Between(0, 1)),
        MaxTokens = section.Whole("max-tokens", Bounds.AtLeast(1)),
        IgnoreEos = section.Bool("ignore-eos"),
    };

    /// <summary>The sampling parameters of a sequence.</summary>
    /// <param name="endTokenIds">The model's end-of-sequence tokens; ignore-eos leaves them out.</param>
    /// <param name="seed">The seed of the run.</param>
    public SamplingParams ToSamplingParams(int[] endTokenIds, ulong seed) => new()
    {
        Temperature = (float)Temperature,
        TopK = TopK,
        TopP = Math.Max((float)TopP, float.Epsilon), // a double may be too small for a float
        MinP = (float)MinP,
        MaxTokens = MaxTokens,
        StopTokenIds = IgnoreEos ? [] : endTokenIds,
        Seed = seed,
    };
}
