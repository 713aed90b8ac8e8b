using System.Text.Json;
using System.Text.RegularExpressions;

namespace Rollout.Actors.Text;

/// <summary>Reads tokenizer.json's pre_tokenizer: Split, Digits, ByteLevel and sequences of them.</summary>
internal static partial class PreTokenizerReader
{
    // The pattern of ByteLevel with use_regex, from openai/gpt-2's encoder.py.
    private const string Gpt2Words =
        @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    public static PreTokenizer Read(JsonFile file)
    {
        var root = file.Require(file.Root, "pre_tokenizer", JsonValueKind.Object, "pre_tokenizer");
        var stages = new List<PreTokenizer>();
        var byteLevel = false;
        Read(file, root, stages, ref byteLevel);
        if (!byteLevel)
            throw file.Invalid(
                "pre_tokenizer", "has no ByteLevel stage, but only byte-level BPE is supported");
        return stages is [var only] ? only : new PreTokenizerSequence(stages);
    }

    private static void Read(JsonFile file, JsonElement stage, List<PreTokenizer> stages, ref bool byteLevel)
    {
        var type = JsonFile.Text(stage, "type");
        switch (type)
        {
            case "Sequence":
                var parts = file.Require(
                    stage, "pretokenizers", JsonValueKind.Array, "pre_tokenizer.pretokenizers");
                foreach (var part in parts.EnumerateArray())
                    Read(file, part, stages, ref byteLevel);
                break;
            case "Split":
                stages.Add(ReadSplit(file, stage));
                break;
            case "Digits":
                stages.Add(new RegexSplit(
                    file.Path, BoundedRegex.Compile(JsonFile.Flag(stage, "individual_digits") ? @"\p{N}" : @"\p{N}+")));
                break;
            case "ByteLevel":
                byteLevel = true;
                if (JsonFile.Flag(stage, "add_prefix_space", otherwise: true))
                    stages.Add(new PrefixSpace());
                if (JsonFile.Flag(stage, "use_regex", otherwise: true))
                    stages.Add(new RegexSplit(file.Path, BoundedRegex.Compile(Gpt2Words)));
                break;
            default:
                throw file.Invalid(
                    "pre_tokenizer.type",
                    $"is {type ?? "absent"}, but only Split, Digits and ByteLevel are supported");
        }
    }

    private static RegexSplit ReadSplit(JsonFile file, JsonElement stage)
    {
        const string Key = "pre_tokenizer.pattern";
        var pattern = file.Require(stage, "pattern", JsonValueKind.Object, Key);
        var regex = JsonFile.Text(pattern, "Regex") ?? (JsonFile.Text(pattern, "String") is { } literal
            ? Regex.Escape(literal)
            : throw file.Invalid(Key, "holds neither Regex nor String"));
        var inverted = JsonFile.Flag(stage, "invert");
        var (keepMatches, keepGaps) = JsonFile.Text(stage, "behavior") switch
        {
            "Isolated" => (true, true),
            "Removed" => (inverted, !inverted),
            var other => throw file.Invalid(
                "pre_tokenizer.behavior",
                $"is {other ?? "absent"}, but only Isolated and Removed are supported"),
        };
        if (MeansSomethingElse().Match(regex) is { Success: true } differing)
            throw file.Invalid(
                Key, $"uses {differing.Value}, which matches other characters in .NET than in its origin");
        try
        {
            // Qwen's and Llama 3's contraction 's covers the long s (U+017F), which .NET's case folding leaves out.
            regex = regex.Replace("(?i:'s|", "(?i:'[s\u017F]|", StringComparison.Ordinal);
            return new RegexSplit(file.Path, BoundedRegex.Compile(regex), keepMatches, keepGaps);
        }
        catch (ArgumentException wrong)
        {
            throw file.Invalid(Key, $"is not a regular expression that .NET can read: {wrong.Message}");
        }
    }

    /// <summary>Escapes that mean something else in Oniguruma: words, hexadecimal digits, anchors.</summary>
    [GeneratedRegex(@"(?<!\\)(?:\\\\)*\\[wWbBhHGZ]")]
    private static partial Regex MeansSomethingElse();
}
