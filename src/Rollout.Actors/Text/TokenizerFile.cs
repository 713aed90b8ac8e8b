using System.Text.Json;

namespace Rollout.Actors.Text;

/// <summary>
/// The content of a tokenizer.json of a byte-level BPE tokenizer (GPT-2, Qwen 2 and 3, Llama 3, SmolLM). Any other kind
/// is refused with the key that makes it so, rather than tokenized almost right.
/// </summary>
/// <param name="Path">The file.</param>
/// <param name="Vocabulary">The id of each token by its text, in byte-level characters.</param>
/// <param name="Merges">Pairs joined by a space, most urgent first.</param>
/// <param name="AddedTokens">Tokens that are found before any merging, in file order.</param>
/// <param name="PreTokenizer">Cuts text into the pieces within which pairs merge.</param>
/// <param name="IgnoreMerges">True if a piece that is in the vocabulary is one token whatever the merges say.</param>
/// <param name="ComposesUnicode">True if text is brought into normalization form C first.</param>
/// <param name="Prefix">Special tokens that the post-processor puts before every text, such as Llama 3's begin.</param>
internal sealed record TokenizerFile(
    string Path,
    IReadOnlyDictionary<string, int> Vocabulary,
    IReadOnlyList<string> Merges,
    IReadOnlyList<AddedToken> AddedTokens,
    PreTokenizer PreTokenizer,
    bool IgnoreMerges,
    bool ComposesUnicode,
    IReadOnlyList<string> Prefix)
{
    /// <summary>Every id lies below this; the tables of a vocabulary are arrays over its ids.</summary>
    private const int MaxIds = 1 << 24;

    /// <exception cref="InvalidDataException">
    /// The file is missing, broken or of a kind that is not supported.
    /// </exception>
    public static TokenizerFile Read(string path)
    {
        using var file = JsonFile.Open(path);
        var model = file.Require(file.Root, "model", JsonValueKind.Object, "model");
        CheckModel(file, model);
        if (JsonFile.Get(file.Root, "decoder") is { } decoder)
            RequireByteLevel(file, decoder);

        var vocabulary = ReadVocabulary(file, model);
        return new TokenizerFile(
            path,
            vocabulary,
            ReadMerges(file, model),
            ReadAddedTokens(file, vocabulary),
            PreTokenizerReader.Read(file),
            JsonFile.Flag(model, "ignore_merges"),
            ReadNormalizer(file, JsonFile.Get(file.Root, "normalizer")),
            ReadPrefix(JsonFile.Get(file.Root, "post_processor")));
    }

    private static void CheckModel(JsonFile file, JsonElement model)
    {
        // Files of the first years leave the type out; what has merges is BPE.
        var type = JsonFile.Text(model, "type") ?? (JsonFile.Get(model, "merges") is null ? "absent" : "BPE");
        if (type != "BPE")
            throw file.Invalid("model.type", $"is {type}, but only byte-level BPE is supported");
        if (JsonFile.Flag(model, "byte_fallback"))
            throw file.Invalid(
                "model.byte_fallback", "is true (SentencePiece), but only byte-level BPE is supported");
        if (JsonFile.Get(model, "dropout") is { ValueKind: JsonValueKind.Number } dropout
            && dropout.GetDouble() > 0)
            throw file.Invalid("model.dropout", "is set, but merges are never dropped here");
        foreach (var key in (string[])["continuing_subword_prefix", "end_of_word_suffix"])
        {
            if (!string.IsNullOrEmpty(JsonFile.Text(model, key)))
                throw file.Invalid($"model.{key}", "is set, but only byte-level BPE without it is supported");
        }
    }

    private static void RequireByteLevel(JsonFile file, JsonElement decoder)
    {
        var type = JsonFile.Text(decoder, "type");
        if (type != "ByteLevel")
            throw file.Invalid("decoder.type", $"is {type ?? "absent"}, but only ByteLevel is supported");
    }

    private static Dictionary<string, int> ReadVocabulary(JsonFile file, JsonElement model)
    {
        var vocab = file.Require(model, "vocab", JsonValueKind.Object, "model.vocab");
        var ids = new Dictionary<string, int>(capacity: 1 << 12, StringComparer.Ordinal);
        foreach (var entry in vocab.EnumerateObject())
        {
            ids[entry.Name] = Id(entry.Value) ?? throw file.Invalid(
                "model.vocab", $"gives \"{entry.Name}\" no id (a whole number from 0 and below {MaxIds})");
        }
        return ids;
    }

    private static List<string> ReadMerges(JsonFile file, JsonElement model)
    {
        var list = file.Require(model, "merges", JsonValueKind.Array, "model.merges");
        var merges = new List<string>(list.GetArrayLength());
        foreach (var merge in list.EnumerateArray())
        {
            var pair = merge switch
            {
                { ValueKind: JsonValueKind.String } => merge.GetString()!,
                { ValueKind: JsonValueKind.Array } when merge.GetArrayLength() == 2
                    && merge[0].ValueKind == JsonValueKind.String && merge[1].ValueKind == JsonValueKind.String =>
                    $"{merge[0].GetString()} {merge[1].GetString()}",
                _ => "",
            };
            var space = pair.IndexOf(' ');
            if (space <= 0 || space == pair.Length - 1 || pair.LastIndexOf(' ') != space)
                throw file.Invalid($"model.merges[{merges.Count}]", "is not a pair of tokens");
            merges.Add(pair);
        }
        return merges;
    }

    private static List<AddedToken> ReadAddedTokens(JsonFile file, Dictionary<string, int> vocabulary)
    {
        if (JsonFile.Get(file.Root, "added_tokens") is null)
            return [];
        var tokens = new List<AddedToken>();
        foreach (var token in
            file.Require(file.Root, "added_tokens", JsonValueKind.Array, "added_tokens").EnumerateArray())
        {
            if (JsonFile.Text(token, "content") is not { } content
                || JsonFile.Get(token, "id") is not { } number
                || Id(number) is not { } id)
            {
                throw file.Invalid(
                    $"added_tokens[{tokens.Count}]",
                    $"lacks its content or its id (a whole number from 0 and below {MaxIds})");
            }
            tokens.Add(new AddedToken(
                vocabulary.GetValueOrDefault(content, id),   // where they disagree, the vocabulary counts
                content,
                Special: JsonFile.Flag(token, "special"),
                Normalized: JsonFile.Flag(token, "normalized"),
                TakesLeft: JsonFile.Flag(token, "lstrip"),
                TakesRight: JsonFile.Flag(token, "rstrip"),
                SingleWord: JsonFile.Flag(token, "single_word")));
        }
        return tokens;
    }

    private static int? Id(JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var id) && id is >= 0 and < MaxIds ? id : null;

    private static bool ReadNormalizer(JsonFile file, JsonElement? normalizer)
    {
        if (normalizer is not { } given)
            return false;
        switch (JsonFile.Text(given, "type"))
        {
            case "NFC":
                return true;
            case "Sequence" when JsonFile.Get(given, "normalizers") is { ValueKind: JsonValueKind.Array } all:
                return all.EnumerateArray().Aggregate(false, (any, one) => ReadNormalizer(file, one) || any);
            case var type:
                throw file.Invalid("normalizer.type", $"is {type ?? "absent"}, but only NFC is supported");
        }
    }

    /// <summary>
    /// The special tokens that a TemplateProcessing post-processor puts before the text.
    /// </summary>
    private static List<string> ReadPrefix(JsonElement? postProcessor)
    {
        var prefix = new List<string>();
        if (postProcessor is not { } given)
            return prefix;
        if (JsonFile.Get(given, "processors") is { ValueKind: JsonValueKind.Array } processors)
            return [.. processors.EnumerateArray().SelectMany(one => ReadPrefix(one))];
        if (JsonFile.Get(given, "single") is { ValueKind: JsonValueKind.Array } template)
        {
            foreach (var part in template.EnumerateArray())
            {
                if (JsonFile.Get(part, "SpecialToken") is not { } special
                    || JsonFile.Text(special, "id") is not { } id)
                    break;
                prefix.Add(id);
            }
        }
        return prefix;
    }
}
