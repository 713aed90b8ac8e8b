using Rollout.Actors.Data;

namespace Rollout.Actors.Tests.Support;

/// <summary>Prompts whose text is a few numbers that <see cref="FakeTokenizer"/> reads; item n begins with n.</summary>
public sealed class Prompts(int heldOut = 0) : IPromptDataset
{
    public IReadOnlyList<PromptItem> HeldOut { get; } =
        [.. Enumerable.Range(0, heldOut).Select(i => Item(500 + i))];

    public static PromptItem Item(long number) => new(
        $"item {number}", $"{number} {number + 1} {number + 2}", new Dictionary<string, string>());

    public PromptItem Train(long cursor) => Item(cursor);
}
