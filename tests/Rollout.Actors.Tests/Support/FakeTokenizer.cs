using Rollout.Actors.Text;

namespace Rollout.Actors.Tests.Support;

/// <summary>A text is the decimal numbers of its ids with blanks between.</summary>
public sealed class FakeTokenizer : ITokenizer
{
    public static string TextOf(ReadOnlySpan<int> ids) => string.Join(' ', ids.ToArray());

    public int[] Encode(string text, CancellationToken cancellation = default) =>
        [.. text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)];

    public string Decode(ReadOnlySpan<int> ids, bool keepSpecialTokens = false) => TextOf(ids);
}
