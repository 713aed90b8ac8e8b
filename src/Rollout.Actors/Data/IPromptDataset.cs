namespace Rollout.Actors.Data;

/// <summary>
/// Prompts to train on and prompts held out for evaluation. The same seed and cursor give the same prompt.
/// </summary>
public interface IPromptDataset
{
    /// <summary>
    /// Prompt number <paramref name="cursor"/> of an endless order, which the seed shuffles anew each epoch.
    /// </summary>
    PromptItem Train(long cursor);

    /// <summary>Prompts that <see cref="Train"/> never gives; empty where the dataset holds none out.</summary>
    IReadOnlyList<PromptItem> HeldOut { get; }
}

/// <summary>The prompts of one dataset in an order of its own; <see cref="PromptMix"/> decides when each is trained on.</summary>
public interface IPromptSource
{
    /// <summary>Prompts to train on: those of one epoch.</summary>
    IReadOnlyList<PromptItem> Train { get; }

    /// <summary>
    /// Prompts that are not in <see cref="Train"/>, in a fixed shuffled order, so that the first n are a fair sample.
    /// </summary>
    IReadOnlyList<PromptItem> HeldOut { get; }
}

/// <summary>A prompt as text, and the fields that its rewards may read by name ("answer", …).</summary>
public sealed record PromptItem(string Id, string Prompt, IReadOnlyDictionary<string, string> Fields);
