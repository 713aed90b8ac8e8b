using System.Text.Json;
using System.Text.Json.Serialization;

namespace Rollout.Host.Generate;

/// <summary>A sample as a line of generate's output, where these names are in snake_case.</summary>
internal sealed record CompletionLine
{
    /// <summary>The <see cref="FinishReason"/> of a failed sample.</summary>
    public const string Error = "error";

    private static readonly HashSet<string> Names =
    [
        .. typeof(CompletionLine).GetProperties()
            .Where(property => property.Name != nameof(Fields))
            .Select(property => JsonNamingPolicy.SnakeCaseLower.ConvertName(property.Name)),
    ];

    /// <summary>The prompt's id as its line has it.</summary>
    public required JsonElement Id { get; init; }

    /// <summary>The sample's number within its prompt, from 0.</summary>
    public required int Sample { get; init; }

    /// <summary>The sampled token ids; the stop token and the tokens of a stop text are among them.</summary>
    public required int[] TokenIds { get; init; }

    /// <summary>
    /// [token_ids] natural logarithms of the probabilities before truncation by top-k, top-p and min-p, scaled by the
    /// temperature unless it is 0.
    /// </summary>
    public required float[] Logprobs { get; init; }

    /// <summary>
    /// [token_ids] the same among the tokens that top-k, top-p and min-p kept; absent where none of them is on, and these
    /// are the logprobs.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public float[]? SamplingLogprobs { get; init; }

    /// <summary>"stop", "length" or "error".</summary>
    public required string FinishReason { get; init; }

    /// <summary>The version of the weights that sampled the last token.</summary>
    public required int PolicyVersion { get; init; }

    /// <summary>The decoded text without special tokens, cut before a stop text; absent without a tokenizer.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Text { get; init; }

    /// <summary>The reason of a failure; absent otherwise.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Reason { get; init; }

    /// <summary>The prompt line's other fields, written as fields of this line.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Fields { get; init; }

    /// <summary>Whether a line may have a field of this name that is not the prompt's.</summary>
    public static bool Has(string field) => Names.Contains(field);
}
