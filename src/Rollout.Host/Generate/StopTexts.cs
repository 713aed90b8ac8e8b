using Rollout.Actors.Text;
using Rollout.Host.Invocation;

namespace Rollout.Host.Generate;

/// <summary>Looks at the texts of --stop before anything starts.</summary>
internal static class StopTexts
{
    /// <summary>What a shell leaves of an escape between plain quotes.</summary>
    private static readonly string[] Escapes = ["\\n", "\\r", "\\t"];

    /// <summary>Refuses an empty text, and texts for a model that has none.</summary>
    /// <exception cref="CommandLineException">A text is empty.</exception>
    /// <exception cref="InvalidDataException">The model has no tokenizer.</exception>
    public static void Require(IReadOnlyList<string> texts, ModelFiles model)
    {
        if (texts.Contains(""))
            throw new CommandLineException("--stop is '', expected a text of at least one character.");
        if (texts.Count > 0)
            model.RequireTokenizer("--stop needs");
    }

    /// <summary>A sentence for each text that looks like a mistake.</summary>
    public static IEnumerable<string> Doubts(IReadOnlyList<string> texts, HuggingFaceTokenizer? tokenizer)
    {
        foreach (var text in texts)
        {
            if (tokenizer is not null && !CanCome(text, tokenizer))
                yield return $"WARNING --stop '{text}' ends no sample: the tokenizer's tokens never decode to it";
            else if (Escapes.FirstOrDefault(text.Contains) is { } escape)
                yield return $"WARNING --stop '{text}' has a backslash and '{escape[1]}'; bash writes the character itself as $'{escape}'";
        }
    }

    /// <summary>Special tokens decode to nothing, and some vocabularies lack characters.</summary>
    private static bool CanCome(string text, HuggingFaceTokenizer tokenizer)
    {
        try
        {
            return tokenizer.Decode(tokenizer.Encode(text)).Contains(text, StringComparison.Ordinal);
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
