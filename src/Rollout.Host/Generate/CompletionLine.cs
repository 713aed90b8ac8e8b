using System.Text.Json;
using System.Text.Json.Serialization;

namespace Rollout.Host.Generate;

/// <summary>A sample as a line of generate's output, where these names are in snake_case.</summary>
internal sealed record CompletionLine
{
    /// <summary>The <see cref="FinishReason"/> of a failed sample.</summary>
    public const string Error = "error";

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
}
