using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Batching;

/// <summary>The sequences that a planner works on, by id and by group.</summary>
internal sealed class SequenceRoster
{
    private readonly Dictionary<SequenceId, Sequence> _sequences = [];
    private readonly Dictionary<GroupId, List<Sequence>> _groups = [];

    public IReadOnlyCollection<Sequence> All => _sequences.Values;

    public bool Contains(GroupId group) => _groups.ContainsKey(group);

    public bool Contains(SequenceId id) => _sequences.ContainsKey(id);

    /// <summary>This very sequence is still worked on: not ended, and not replaced by one of the same id.</summary>
    public bool IsLive(Sequence sequence) =>
        _sequences.TryGetValue(sequence.Id, out var known) && ReferenceEquals(known, sequence);

    public Sequence? Find(SequenceId id) => _sequences.GetValueOrDefault(id);

    /// <summary>The group's sequences that have not ended, in the order of their arrival.</summary>
    public IReadOnlyList<Sequence> Of(GroupId group) => _groups.TryGetValue(group, out var members) ? members : [];

    public void Add(Sequence sequence)
    {
        _sequences.Add(sequence.Id, sequence);
        if (!_groups.TryGetValue(sequence.Id.Group, out var members))
            _groups.Add(sequence.Id.Group, members = []);
        members.Add(sequence);
    }

    public void Remove(Sequence sequence)
    {
        if (!IsLive(sequence))
            return;
        _sequences.Remove(sequence.Id);
        var members = _groups[sequence.Id.Group];
        members.Remove(sequence);
        if (members.Count == 0)
            _groups.Remove(sequence.Id.Group);
    }
}
