using System.Buffers;
using System.Text.Json;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Rewards;

/// <summary>
/// What a judge outside of this process gets and answers: <c>{"samples": [{"prompt", "completion", "fields", "tokens",
/// "finish_reason"}, …]}</c> and <c>{"rewards": [1.0, null, …]}</c>, a number or null a sample in their order.
/// </summary>
internal static class RewardJson
{
    /// <summary>The request, on one line.</summary>
    public static byte[] Write(IReadOnlyList<ScoredSample> samples)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartArray("samples");
            foreach (var sample in samples)
            {
                json.WriteStartObject();
                json.WriteString("prompt", sample.Item.Prompt);
                json.WriteString("completion", sample.Completion);
                json.WriteStartObject("fields");
                foreach (var (name, value) in sample.Item.Fields)
                    json.WriteString(name, value);
                json.WriteEndObject();
                json.WriteNumber("tokens", sample.Tokens.Length);
                json.WriteString("finish_reason", sample.Reason.ToWord());
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>The rewards of an answer.</summary>
    /// <param name="answer">JSON in UTF-8.</param>
    /// <param name="count">The samples that were asked for.</param>
    /// <exception cref="InvalidDataException">It is not such JSON, or has another number of rewards.</exception>
    public static IReadOnlyList<double?> Read(ReadOnlyMemory<byte> answer, int count)
    {
        try
        {
            using var json = JsonDocument.Parse(answer);
            if (json.RootElement.ValueKind != JsonValueKind.Object
                || !json.RootElement.TryGetProperty("rewards", out var rewards) || rewards.ValueKind != JsonValueKind.Array)
                throw new InvalidDataException($"{Shown(answer)} has no list \"rewards\"");
            if (rewards.GetArrayLength() != count)
                throw new InvalidDataException($"it gave {rewards.GetArrayLength()} rewards for {count} samples");
            return [.. rewards.EnumerateArray().Select(reward => reward.ValueKind switch
            {
                JsonValueKind.Number => reward.GetDouble(),
                JsonValueKind.Null => (double?)null,
                _ => throw new InvalidDataException($"{Cut(reward.GetRawText())} among its rewards is no number and not null"),
            })];
        }
        catch (JsonException)
        {
            throw new InvalidDataException($"{Shown(answer)} is not JSON");
        }
    }

    /// <summary>The beginning of an answer, for messages.</summary>
    public static string Shown(ReadOnlyMemory<byte> answer) =>
        $"its answer \"{Cut(System.Text.Encoding.UTF8.GetString(answer.Span[..Math.Min(answer.Length, 400)]))}\"";

    private static string Cut(string text) =>
        text.ReplaceLineEndings(" ") is { Length: > 100 } plain ? plain[..100] + "…" : text.ReplaceLineEndings(" ");
}
