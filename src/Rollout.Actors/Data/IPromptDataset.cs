namespace Rollout.Actors.Data;

/// <summary>Prompts to train on and prompts held out for evaluation. Deterministic: a cursor and a seed name a prompt.</summary>
public interface IPromptDataset
{
    /// <summary>Prompt number <paramref name="cursor"/> of the endless, seeded order; epochs are reshuffled.</summary>
    PromptItem Train(long cursor);

    /// <summary>Problems that <see cref="Train"/> never gives; empty where the dataset holds none out.</summary>
    IReadOnlyList<PromptItem> HeldOut { get; }
}

/// <summary>A prompt as text, and what its rewards may look at (by name: "answer", …).</summary>
public sealed record PromptItem(string Id, string Prompt, IReadOnlyDictionary<string, string> Fields);
