using Rollout.Actors.Data;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Training;

/// <summary>
/// The groups of one training round: each is open until it is scored or has failed, and the round is complete when none is
/// open. An answer that comes twice, or for a group of another round, changes nothing.
/// </summary>
/// <param name="keeps">Says which scored groups the round keeps; it drops the others. Null keeps all.</param>
public sealed class RoundGroups(Func<ScoredGroup, bool>? keeps = null)
{
    private readonly Dictionary<GroupId, Member> _members = [];
    private readonly List<GroupId> _order = [];
    private int _open;

    /// <summary>Adds a group, as open.</summary>
    public void Expect(PromptItem item, GroupRequest request)
    {
        _members.Add(request.Id, new Member(item, request));
        _order.Add(request.Id);
        _open++;
        OpenOrKept++;
    }

    /// <summary>Every group is scored or has failed.</summary>
    public bool IsComplete => _open == 0;

    /// <summary>Groups that were added.</summary>
    public int Drawn => _order.Count;

    /// <summary>Groups that are open or kept.</summary>
    public int OpenOrKept { get; private set; }

    /// <summary>Groups that are neither scored nor failed, in the order in which they were added.</summary>
    public IEnumerable<GroupId> Open => _order.Where(id => _members[id].IsOpen);

    /// <summary>Groups that failed, with their reasons.</summary>
    public IEnumerable<GroupFailed> Failed =>
        _order.Where(id => _members[id].Failure is not null).Select(id => new GroupFailed(id, _members[id].Failure!));

    /// <summary>The sentence for groups that all failed.</summary>
    /// <param name="kind">The groups in the sentence, such as "groups of the evaluation on test".</param>
    /// <param name="isOfKind">Selects them by their ids; null takes all groups of the round. At least one has failed.</param>
    public string WhyAllFailed(string kind = "groups", Func<GroupId, bool>? isOfKind = null)
    {
        GroupFailed[] failed = [.. Failed.Where(group => isOfKind?.Invoke(group.Id) ?? true)];
        return $"all {failed.Length} {kind} failed, the first with: {failed[0].Reason}";
    }

    /// <summary>The scored groups that are kept, in the order in which they were added.</summary>
    public IReadOnlyList<ScoredGroup> Scored => [.. _order.Select(id => _members[id].Scored).OfType<ScoredGroup>()];

    /// <summary>The scored groups that are not kept, in the order in which they were added.</summary>
    public IReadOnlyList<DroppedGroup> Dropped => [.. _order.Select(id => _members[id].Dropped).OfType<DroppedGroup>()];

    /// <summary>Keeps a group's samples. Returns its prompt, or null if nobody waits for them.</summary>
    public PromptItem? Finish(GroupFinished group)
    {
        if (!_members.TryGetValue(group.Id, out var member) || !member.IsOpen || member.Finished is not null)
            return null;
        if (group.Completions.Length != member.Request.Samples.Length)
        {
            throw new InvalidOperationException(
                $"{group.Id} came with {group.Completions.Length} of {member.Request.Samples.Length} samples");
        }
        member.Finished = group;
        return member.Item;
    }

    /// <summary>Keeps a finished group's rewards.</summary>
    public void AddRewards(GroupScored scored)
    {
        if (!_members.TryGetValue(scored.Id, out var member) || !member.IsOpen || member.Finished is null)
            return;
        var group = new ScoredGroup(
            member.Item, member.Request.Prompt, member.Finished, scored.Rewards, scored.Texts)
        {
            ByFunction = scored.ByFunction,
        };
        _open--;
        if (keeps?.Invoke(group) ?? true)
        {
            member.Scored = group;
            return;
        }
        // Many groups may be dropped for one that is kept: their tokens and texts are let go.
        member.Dropped = new DroppedGroup(scored.Rewards, group.Group.Completions.Sum(done => done.Tokens.Length));
        member.Finished = null;
        OpenOrKept--;
    }

    /// <summary>Records that a group has failed.</summary>
    public void Fail(GroupId id, string reason)
    {
        if (!_members.TryGetValue(id, out var member) || !member.IsOpen)
            return;
        member.Failure = reason;
        _open--;
        OpenOrKept--;
    }

    private sealed class Member(PromptItem item, GroupRequest request)
    {
        public PromptItem Item { get; } = item;

        public GroupRequest Request { get; } = request;

        public GroupFinished? Finished { get; set; }

        public ScoredGroup? Scored { get; set; }

        public DroppedGroup? Dropped { get; set; }

        public string? Failure { get; set; }

        public bool IsOpen => Scored is null && Dropped is null && Failure is null;
    }
}
