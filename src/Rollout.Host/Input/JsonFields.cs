using System.Text.Json;

namespace Rollout.Host.Input;

/// <summary>Reads the fields that prompts and workloads share, and refuses others by name.</summary>
internal static class JsonFields
{
    private const int MostShown = 40;

    /// <exception cref="InvalidDataException">The object has a field that is not among the known ones.</exception>
    public static void RequireKnown(JsonElement line, string what, params ReadOnlySpan<string> known)
    {
        foreach (var field in line.EnumerateObject())
        {
            if (!known.Contains(field.Name))
            {
                throw new InvalidDataException(
                    $"{Shorten(field.Name)} is not a field of a {what}, expected {string.Join(", ", known)}");
            }
        }
    }

    /// <summary>A whole number in a range; null where the value is anything else.</summary>
    public static int? Whole(JsonElement value, int least, int most) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number >= least && number <= most
            ? number
            : null;

    /// <summary>A list of whole numbers in a range; null where the value is anything else.</summary>
    public static int[]? WholeNumbers(JsonElement value, int least, int most)
    {
        if (value.ValueKind != JsonValueKind.Array)
            return null;
        var numbers = new int[value.GetArrayLength()];
        var count = 0;
        foreach (var entry in value.EnumerateArray())
        {
            if (Whole(entry, least, most) is not { } number)
                return null;
            numbers[count++] = number;
        }
        return numbers;
    }

    /// <exception cref="InvalidDataException">The value is no list of token ids of the vocabulary.</exception>
    public static int[] TokenIds(JsonElement value, int vocabulary)
    {
        if (WholeNumbers(value, 0, vocabulary - 1) is { } ids)
            return ids;
        var stranger = value.ValueKind == JsonValueKind.Array
            ? $", and holds {Shorten(value.EnumerateArray().First(id => Whole(id, 0, vocabulary - 1) is null).GetRawText())}"
            : "";
        throw new InvalidDataException($"prompt_ids must be a list of token ids from 0 to {vocabulary - 1}{stranger}");
    }

    /// <summary>The beginning of a text that comes from a file, for a message.</summary>
    public static string Shorten(string text) => text.Length <= MostShown ? text : text[..MostShown] + "…";
}
