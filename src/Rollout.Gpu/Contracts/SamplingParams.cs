namespace Rollout.Gpu.Contracts;

/// <summary>How the tokens of a sequence are drawn. Filters apply in the order top-k, top-p, min-p.</summary>
public sealed record SamplingParams
{
    /// <summary>Temperatures below this are taken as 0, as in vLLM: divided logits would exceed what a float holds apart.</summary>
    public const float GreedyBelow = 1e-5f;

    /// <summary>Divides the logits; 0, and anything below <see cref="GreedyBelow"/>, takes the most probable token.</summary>
    public float Temperature { get; init; } = 1;

    /// <summary>Takes the most probable token. Its log-probability is that of the undivided logits.</summary>
    public bool IsGreedy => Temperature < GreedyBelow;

    /// <summary>Keeps the k most probable tokens; 0 keeps all.</summary>
    public int TopK { get; init; }

    /// <summary>Keeps the most probable tokens whose probabilities first sum to p; 1 keeps all.</summary>
    public float TopP { get; init; } = 1;

    /// <summary>Keeps tokens of at least this share of the largest probability; 0 keeps all.</summary>
    public float MinP { get; init; }

    /// <summary>True where top-k, top-p or min-p is on, so that less than the whole vocabulary may be drawn from.</summary>
    public bool Filters => !IsGreedy && (TopK > 0 || TopP < 1 || MinP > 0);

    /// <summary>New tokens at most.</summary>
    public required int MaxTokens { get; init; }

    /// <summary>Token ids that end a sequence, end-of-sequence among them. They are part of the completion.</summary>
    public int[] StopTokenIds { get; init; } = [];

    /// <summary>
    /// Texts that end a sequence with the token that completes the first of them. What was sampled stays part of the
    /// completion; a caller that shows its text cuts it before them.
    /// </summary>
    public string[] StopTexts { get; init; } = [];

    /// <summary>The run's seed: with group, sample and position it determines every draw.</summary>
    public ulong Seed { get; init; }
}
