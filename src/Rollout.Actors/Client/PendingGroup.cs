using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Client;

/// <summary>A group of <see cref="Submissions"/> without an outcome.</summary>
internal sealed class PendingGroup
{
    public PendingGroup(GroupRequest group, Policy? required, string? fingerprint)
    {
        (Group, RequiredPolicy, Fingerprint) = (group, required, fingerprint);
        Completions = new Completion?[group.Samples.Length];
        Place = new LinkedListNode<PendingGroup>(this);
    }

    public GroupRequest Group { get; }

    public Policy? RequiredPolicy { get; }

    public string? Fingerprint { get; }

    public Completion?[] Completions { get; }

    /// <summary>Its node in the list of groups that the scheduler has heard of.</summary>
    public LinkedListNode<PendingGroup> Place { get; }

    /// <summary>The tick of the last message about it.</summary>
    public int HeardAt { get; set; }

    /// <summary>The scheduler had no room for it.</summary>
    public bool IsWaiting { get; set; }

    /// <summary>Tokens sampled for it, as the scheduler said last.</summary>
    public long Tokens { get; set; }
}
