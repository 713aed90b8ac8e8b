using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Host.Serve;

/// <summary>What a request asks for, checked.</summary>
internal sealed record SampleRequest
{
    /// <summary>A group for each prompt, with the ids 1, 2, …; all have the same samples.</summary>
    public required IReadOnlyList<GroupRequest> Groups { get; init; }

    /// <summary>Answer by server-sent events.</summary>
    public required bool Streams { get; init; }

    /// <summary>A stream ends with the numbers of tokens.</summary>
    public required bool IncludesUsage { get; init; }

    /// <summary>Answer with log-probabilities.</summary>
    public required bool HasLogprobs { get; init; }

    /// <summary>Answer with token ids.</summary>
    public required bool HasTokenIds { get; init; }

    public int SamplesOfPrompt => Groups[0].Samples.Length;

    public int Samples => Groups.Count * SamplesOfPrompt;

    /// <summary>The place of a sample among the choices of the answer.</summary>
    public int IndexOf(GroupId group, int sample) => ((int)group.Value - 1) * SamplesOfPrompt + sample;
}
