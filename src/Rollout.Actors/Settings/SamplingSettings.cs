using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Settings;

/// <summary>The section <c>sampling</c>.</summary>
public sealed record SamplingSettings
{
    /// <summary>0 is greedy.</summary>
    public required double Temperature { get; init; }

    /// <summary>0 keeps all.</summary>
    public required int TopK { get; init; }

    public required double TopP { get; init; }

    public required double MinP { get; init; }

    /// <summary>New tokens of a completion at most.</summary>
    public required int MaxTokens { get; init; }

    /// <summary>Sample on past the end-of-sequence token.</summary>
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

    /// <summary>The parameters of a sequence.</summary>
    /// <param name="endTokenIds">
    /// The model's end-of-sequence tokens; they stop nothing under ignore-eos.
    /// </param>
    /// <param name="seed">The run's.</param>
    public SamplingParams ToSamplingParams(int[] endTokenIds, ulong seed) => new()
    {
        Temperature = (float)Temperature,
        TopK = TopK,
        TopP = (float)TopP,
        MinP = (float)MinP,
        MaxTokens = MaxTokens,
        StopTokenIds = IgnoreEos ? [] : endTokenIds,
        Seed = seed,
    };
}
