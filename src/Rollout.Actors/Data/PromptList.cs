using System.Collections;

namespace Rollout.Actors.Data;

/// <summary>A list of prompts that are made when they are asked for.</summary>
internal sealed class PromptList(int count, Func<int, PromptItem> at) : IReadOnlyList<PromptItem>
{
    public int Count => count;

    public PromptItem this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, count);
            return at(index);
        }
    }

    public IEnumerator<PromptItem> GetEnumerator() => Enumerable.Range(0, count).Select(at).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
