namespace Rollout.Actors.Data;

/// <summary>
/// Short random texts as prompts, all different, for rewards that look at the completion alone. They have no
/// answer, and none is held out.
/// </summary>
public sealed class KeywordDataset : IPromptSource
{
    private const int ShortestPrompt = 4, LongestPrompt = 8;   // characters

    /// <param name="promptCount">The number of prompts.</param>
    /// <param name="alphabet">The characters of the prompts.</param>
    /// <param name="seed">Decides the prompts.</param>
    /// <exception cref="ArgumentException">There is no prompt, or the alphabet makes too few texts.</exception>
    public KeywordDataset(int promptCount, string alphabet, long seed)
    {
        if (promptCount < 1)
            throw new ArgumentException($"prompts must be at least 1, not {promptCount}");
        var characters = alphabet.EnumerateRunes().Select(rune => rune.ToString()).Distinct().ToArray();
        var texts = Enumerable.Range(ShortestPrompt, LongestPrompt - ShortestPrompt + 1)
            .Sum(length => Math.Pow(characters.Length, length));
        if (texts < promptCount)
            throw new ArgumentException(
                $"alphabet = \"{alphabet}\" makes {texts} texts of {ShortestPrompt} to {LongestPrompt} "
                + $"characters, fewer than prompts = {promptCount}");

        var distinct = new OrderedDictionary<string, int>(promptCount);
        for (var draw = 0UL; distinct.Count < promptCount; draw++)
            distinct.TryAdd(Text(characters, SplitMix64.Mix((ulong)seed, draw)), distinct.Count);
        Train = [.. distinct.Select(drawn =>
            new PromptItem($"keyword-{drawn.Value}", drawn.Key, new Dictionary<string, string>()))];
    }

    /// <inheritdoc/>
    public IReadOnlyList<PromptItem> Train { get; }

    /// <inheritdoc/>
    public IReadOnlyList<PromptItem> HeldOut => [];

    private static string Text(string[] characters, ulong key)
    {
        var length = ShortestPrompt
            + SplitMix64.Below(LongestPrompt - ShortestPrompt + 1, SplitMix64.Mix(key, 0));
        return string.Concat(Enumerable.Range(1, length)
            .Select(at => characters[SplitMix64.Below(characters.Length, SplitMix64.Mix(key, (ulong)at))]));
    }
}
