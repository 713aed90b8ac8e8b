using System.Text.Json;

namespace Rollout.Actors.Text;

/// <summary>Ids with a role in generation, from the files of a model folder.</summary>
/// <param name="Begin">Begins a text; null where the model has none.</param>
/// <param name="EndOfSequence">Any of these ends a completion; those of the chat format included.</param>
/// <param name="Padding">Fills up rows of a batch; null where the model has none.</param>
public sealed record SpecialTokenIds(int? Begin, IReadOnlyList<int> EndOfSequence, int? Padding)
{
    /// <summary>
    /// End-of-sequence ids are those of <c>generation_config.json</c> and of <c>tokenizer_config.json</c>'s
    /// eos_token together (a chat model names its turn's end in one and the text's end in the other), or else
    /// of <c>config.json</c>. The others come from <c>tokenizer_config.json</c>.
    /// </summary>
    /// <exception cref="InvalidDataException">A named token has no id, or nothing says how a sequence
    /// ends.</exception>
    public static SpecialTokenIds Load(string modelFolder, ITokenizer tokenizer)
    {
        using var generation = JsonFile.OpenIfThere(Path.Combine(modelFolder, "generation_config.json"));
        using var named = JsonFile.OpenIfThere(Path.Combine(modelFolder, "tokenizer_config.json"));
        using var model = JsonFile.OpenIfThere(Path.Combine(modelFolder, "config.json"));

        var ends = Ids(generation);
        if (Named(named, "eos_token", tokenizer) is { } end)
            ends = [.. ends, end];
        if (ends.Length == 0)
            ends = Ids(model);
        if (ends.Length == 0)
            throw new InvalidDataException(
                $"{modelFolder}: none of generation_config.json, tokenizer_config.json and config.json names "
                + "an end-of-sequence token (eos_token_id, eos_token)");
        return new SpecialTokenIds(
            Named(named, "bos_token", tokenizer), [.. ends.Distinct()], Named(named, "pad_token", tokenizer));
    }

    /// <summary>A token named in tokenizer_config.json: its text, or an object with its content.</summary>
    internal static string? TokenText(JsonFile config, string key) => JsonFile.Get(config.Root, key) switch
    {
        { ValueKind: JsonValueKind.String } text => text.GetString(),
        { ValueKind: JsonValueKind.Object } token => JsonFile.Text(token, "content"),
        _ => null,
    };

    private static int? Named(JsonFile? config, string key, ITokenizer tokenizer)
    {
        if (config is null || TokenText(config, key) is not { } token)
            return null;
        return tokenizer.TryGetId(token, out var id)
            ? id
            : throw config.Invalid(key, $"is \"{token}\", which the tokenizer does not have");
    }

    private static int[] Ids(JsonFile? file)
    {
        const string Key = "eos_token_id";
        return file is null ? [] : JsonFile.Get(file.Root, Key) switch
        {
            null => [],
            { ValueKind: JsonValueKind.Array } list =>
                [.. list.EnumerateArray().Select(one => Id(file, one))],
            { } one => [Id(file, one)],
        };

        static int Id(JsonFile file, JsonElement value) =>
            value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var id) && id >= 0
                ? id
                : throw file.Invalid(Key, "is not a token id, nor a list of them");
    }
}
