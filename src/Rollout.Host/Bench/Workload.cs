using System.Text.Json;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Rollout.Host.Input;

namespace Rollout.Host.Bench;

/// <summary>Reads a benchmark's groups: a JSON object a line with id, prompt_ids, and max_tokens with one entry a sample.</summary>
internal static class Workload
{
    /// <summary>Reads all groups. The end-of-sequence token stops none of their samples.</summary>
    /// <exception cref="InvalidDataException">A line is no such group. The message is FILE:LINE and a sentence.</exception>
    public static IReadOnlyList<GroupRequest> Read(
        string path, SamplingParams sampling, ModelConfig model, CancellationToken cancellation = default)
    {
        GroupRequest[] groups =
        [
            .. JsonObjectLines.Read(
                path, "a workload, a group a line", (line, number) => Group(line, number, sampling, model), cancellation),
        ];
        return groups.Length > 0 ? groups : throw new InvalidDataException($"{path}: is empty; expected at least one group");
    }

    private static GroupRequest Group(JsonElement line, int number, SamplingParams sampling, ModelConfig model)
    {
        if (line.TryGetProperty("prompt", out _) || line.TryGetProperty("messages", out _))
            throw new InvalidDataException("a workload has token ids, not text: expected prompt_ids");
        JsonFields.RequireKnown(line, "workload", "id", "prompt_ids", "max_tokens");
        if (!line.TryGetProperty("prompt_ids", out var ids))
            throw new InvalidDataException("has no prompt_ids, expected a list of token ids");
        if (!line.TryGetProperty("max_tokens", out var lengths))
            throw new InvalidDataException("has no max_tokens, expected a list with one entry a sample");
        var prompt = JsonFields.TokenIds(ids, model.VocabSize);
        if (prompt.Length == 0)
            throw new InvalidDataException("prompt_ids is empty, expected at least one token");
        if (JsonFields.WholeNumbers(lengths, 1, int.MaxValue) is not { Length: > 0 } maxTokens)
            throw new InvalidDataException($"max_tokens must be a list of whole numbers from 1 to {int.MaxValue}, one a sample");
        if (prompt.Length + (long)maxTokens.Max() > model.MaxPositionEmbeddings)
        {
            throw new InvalidDataException(
                $"its prompt has {prompt.Length} tokens, and with {maxTokens.Max()} new ones (max_tokens) it exceeds the model's"
                + $" {model.MaxPositionEmbeddings}");
        }
        return new GroupRequest(
            new GroupId(number - 1), prompt, [.. maxTokens.Select(most => sampling with { MaxTokens = most, StopTokenIds = [] })]);
    }
}
