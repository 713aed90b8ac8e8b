using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

/// <summary>Groups that keep only each other waiting: the same decoders may take them.</summary>
/// <param name="Required">The weights that they may run under; null for any.</param>
/// <param name="Reach">
/// The least reach of a decoder that is there and can run their longest samples; <see cref="WorkQueue.Nowhere"/> where
/// none can.
/// </param>
/// <param name="IsSuspect">Decoders were lost with them, so often that no two of them may share one.</param>
public readonly record struct WorkLine(Policy? Required, long Reach, bool IsSuspect);

/// <summary>
/// Groups with samples that wait for a decoder, the oldest first; in lines by what decoder they need, so that none keeps
/// those waiting that another decoder may take.
/// </summary>
public sealed class WorkQueue
{
    /// <summary>More than any decoder's reach.</summary>
    public const long Nowhere = long.MaxValue;

    private readonly Dictionary<WorkLine, SortedSet<RolloutGroup>> _lines = [];
    private long[] _reaches = [];       // of the decoders that are there, ascending

    private static Comparer<RolloutGroup> ByOrder { get; } =
        Comparer<RolloutGroup>.Create((one, other) => one.Order.CompareTo(other.Order));

    public bool IsEmpty => _lines.Count == 0;

    /// <summary>Lines in which a group waits.</summary>
    public IReadOnlyCollection<WorkLine> Lines => _lines.Keys;

    /// <summary>The groups of a line, the oldest first.</summary>
    public IReadOnlyCollection<RolloutGroup> GroupsIn(WorkLine line) =>
        _lines.TryGetValue(line, out var groups) ? groups : [];

    /// <summary>The oldest group of a line.</summary>
    public RolloutGroup? First(WorkLine line) => _lines.TryGetValue(line, out var groups) ? groups.Min : null;

    /// <summary>A group waits; again, where it needs another decoder than before.</summary>
    public void Add(RolloutGroup group)
    {
        var line = LineOf(group);
        if (group.Line == line)
            return;
        Remove(group);
        group.Line = line;
        if (!_lines.TryGetValue(line, out var groups))
            _lines.Add(line, groups = new SortedSet<RolloutGroup>(ByOrder));
        groups.Add(group);
    }

    public void Remove(RolloutGroup group)
    {
        if (group.Line is not { } line)
            return;
        group.Line = null;
        var groups = _lines[line];
        groups.Remove(group);
        if (groups.Count == 0)
            _lines.Remove(line);
    }

    /// <summary>Other decoders are there: their reaches.</summary>
    public void Reline(IEnumerable<long> reaches)
    {
        long[] sorted = [.. reaches.Distinct().Order()];
        if (sorted.AsSpan().SequenceEqual(_reaches))
            return;
        _reaches = sorted;
        foreach (var group in _lines.Values.SelectMany(groups => groups).ToArray())
            Add(group);
    }

    private WorkLine LineOf(RolloutGroup group)
    {
        var at = Array.BinarySearch(_reaches, group.Longest);
        var least = at < 0 ? ~at : at;
        return new WorkLine(group.Required, least < _reaches.Length ? _reaches[least] : Nowhere, group.IsSuspect);
    }
}
