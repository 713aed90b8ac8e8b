using Rollout.Actors.Protocol;

namespace Rollout.Actors.Engine;

/// <summary>The most that an engine holds, and the most that it computes in one step.</summary>
public sealed record EngineLimits
{
    /// <summary>The most sequences with blocks.</summary>
    public required int MaxNumSeqs { get; init; }

    /// <summary>The most tokens of a step; at least one for each sequence.</summary>
    public required int MaxNumBatchedTokens { get; init; }

    /// <summary>The most tokens of a sequence: the model's limit, or a row of a contiguous cache.</summary>
    public required int MaxModelLength { get; init; }

    /// <summary>
    /// Failed steps between two tokens that a sequence survives. After the last of them, or one whose fault names the
    /// sequence, it has one last try in a step of its own.
    /// </summary>
    public required int MaxStepRetries { get; init; }

    /// <summary>
    /// The padded baseline of a contiguous cache: every sample computes its own prompt, a batch is filled once, and
    /// finished rows are computed until the last one has finished.
    /// </summary>
    public bool StaticBatch { get; init; }

    /// <summary>Why samples of a group can never run here, in a sentence; null if they can.</summary>
    internal string? WhyRefused(
        GroupRequest group, IReadOnlyList<SampleStart> samples, int vocabularySize, bool hasTokenizer)
    {
        if (RequestRules.WhyRefused(group, vocabularySize) is { } reason)
            return reason;
        var newTokens = group.Samples.Max(sample => sample.MaxTokens);
        if (group.Prompt.Length + (long)newTokens > MaxModelLength)
        {
            return $"prompt of {group.Prompt.Length} and {newTokens} new tokens exceed the longest sequence of"
                + $" {MaxModelLength} tokens";
        }
        if (!hasTokenizer && Array.Exists(group.Samples, sample => sample.StopTexts.Length > 0))
            return "it has stop texts, and the model has no tokenizer to find them with";
        foreach (var (sample, sampled) in samples)
        {
            if (sample < 0 || sample >= group.Samples.Length)
                return $"sample {sample} is not among the {group.Samples.Length} of the group";
            var most = group.Samples[sample].MaxTokens;
            if (sampled.Count > most)
                return $"sample {sample} starts with {sampled.Count} tokens, more than the {most} that it may have";
            if (sampled.Tokens.AsSpan().ContainsAnyExceptInRange(0, vocabularySize - 1))
                return $"sample {sample} starts with a token outside of the vocabulary of {vocabularySize}";
        }
        return null;
    }
}
