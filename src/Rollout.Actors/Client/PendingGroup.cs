using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Client;

/// <summary>A group of <see cref="Submissions"/> without an outcome.</summary>
internal sealed class PendingGroup
{
    private readonly Completion?[] _completions;

    public PendingGroup(GroupRequest group, Policy? required, string? fingerprint)
    {
        (Group, RequiredPolicy, Fingerprint) = (group, required, fingerprint);
        _completions = new Completion?[group.Samples.Length];
        Place = new LinkedListNode<PendingGroup>(this);
    }

    public GroupRequest Group { get; }

    public Policy? RequiredPolicy { get; }

    public string? Fingerprint { get; }

    /// <summary>Its node in the list of groups that the scheduler has heard of.</summary>
    public LinkedListNode<PendingGroup> Place { get; }

    /// <summary>The tick of the last message about it.</summary>
    public int HeardAt { get; set; }

    /// <summary>The scheduler had no room for it.</summary>
    public bool IsWaiting { get; set; }

    /// <summary>Tokens sampled for it, as the scheduler said last.</summary>
    public long Tokens { get; set; }

    /// <summary>Adds a part of its answer. Returns its outcome once all parts are there.</summary>
    /// <param name="part">The part.</param>
    /// <param name="id">The group as the caller names it.</param>
    public GroupOutcome? Add(CompletionsReady part, GroupId id)
    {
        var samples = _completions.Length;
        if (part.Samples != samples || part.Completions.Any(completion => completion.Sample < 0 || completion.Sample >= samples))
            return new GroupFailed(id, $"the answer has other samples than the {samples} that were asked for");
        foreach (var completion in part.Completions)
            _completions[completion.Sample] = completion;
        return Array.Exists(_completions, completion => completion is null) ? null : new GroupFinished(id, _completions!);
    }
}
