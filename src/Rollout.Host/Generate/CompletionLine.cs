using System.Text.Json;
using System.Text.Json.Serialization;

namespace Rollout.Host.Generate;

/// <summary>One sample: a line of generate's output, with these names in snake_case.</summary>
public sealed record CompletionLine
{
    /// <summary>The <see cref="FinishReason"/> of a sample that failed.</summary>
    public const string Error = "error";

    /// <summary>The prompt's id, as its line gives it.</summary>
    public required JsonElement Id { get; init; }

    /// <summary>From 0.</summary>
    public required int Sample { get; init; }

    /// <summary>The sampled ids, a stop token and the tokens of a stop text included.</summary>
    public required int[] TokenIds { get; init; }

    /// <summary>[token_ids] natural, under the temperature-scaled distribution before truncation; unscaled at temperature 0.</summary>
    public required float[] Logprobs { get; init; }

    /// <summary>stop, length or error.</summary>
    public required string FinishReason { get; init; }

    /// <summary>The version that sampled its last token.</summary>
    public required int PolicyVersion { get; init; }

    /// <summary>Without special tokens and cut before a stop text; absent where the model has no tokenizer.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Text { get; init; }

    /// <summary>Why it failed; absent unless it did.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Reason { get; init; }
}
