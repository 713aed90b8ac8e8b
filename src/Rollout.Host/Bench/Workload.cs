using System.Text.Json;
using System.Text.Json.Serialization;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Host.Bench;

/// <summary>A benchmark's prompts: a line a group with id, prompt_ids and max_tokens, one entry a sample.</summary>
public static class Workload
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        RespectRequiredConstructorParameters = true,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    };

    /// <summary>Reads all groups; end-of-sequence stops none of them.</summary>
    /// <exception cref="InvalidDataException">A line is not such a group; the sentence names file and line.</exception>
    public static IReadOnlyList<GroupRequest> Read(string path, SamplingParams sampling, int vocabulary)
    {
        if (!File.Exists(path))
            throw new InvalidDataException($"{path}: there is no such file; expected a workload, a line a group");
        var groups = new List<GroupRequest>();
        foreach (var line in File.ReadLines(path))
            groups.Add(Parse(line, $"{path}:{groups.Count + 1}", groups.Count, sampling, vocabulary));
        return groups.Count > 0
            ? groups
            : throw new InvalidDataException($"{path}: expected at least one group and found none");
    }

    private static GroupRequest Parse(string line, string where, int number, SamplingParams sampling, int vocabulary)
    {
        Line group;
        try
        {
            group = JsonSerializer.Deserialize<Line>(line, Json)
                ?? throw new InvalidDataException($"{where}: expected an object and found null");
        }
        catch (JsonException fault)
        {
            throw new InvalidDataException(
                $"{where}: expected {{\"id\", \"prompt_ids\", \"max_tokens\"}}: {fault.Message}", fault);
        }
        if (group.PromptIds.Length == 0 || Array.Exists(group.PromptIds, id => id < 0 || id >= vocabulary))
            throw new InvalidDataException($"{where}: prompt_ids must be ids from 0 to {vocabulary - 1}, at least one");
        if (group.MaxTokens.Length == 0 || Array.Exists(group.MaxTokens, max => max < 1))
            throw new InvalidDataException($"{where}: max_tokens must be a list of numbers of at least 1, one a sample");
        return new GroupRequest(
            new GroupId(number),
            group.PromptIds,
            [.. group.MaxTokens.Select(max => sampling with { MaxTokens = max, StopTokenIds = [] })]);
    }

    private sealed record Line(JsonElement Id, int[] PromptIds, int[] MaxTokens);
}
