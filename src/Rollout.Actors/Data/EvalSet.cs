namespace Rollout.Actors.Data;

/// <summary>Prompts that a run is evaluated on, under a name.</summary>
/// <param name="Name">Its name in metrics and in eval.jsonl.</param>
/// <param name="Prompts">In a fixed shuffled order, so that the first n are a fair sample.</param>
public sealed record EvalSet(string Name, IReadOnlyList<PromptItem> Prompts);
