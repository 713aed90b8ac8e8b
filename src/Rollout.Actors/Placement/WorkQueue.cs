using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

/// <summary>
/// Groups with samples that wait for a decoder, the oldest first; in lines by what decoder they need, so that none keeps
/// those waiting that another decoder may take.
/// </summary>
public sealed class WorkQueue
{
    private readonly Dictionary<(Policy? Required, long Reach, bool IsSuspect), WorkLine> _lines = [];
    private long[] _reaches = [];       // of the decoders that are there, ascending

    public bool IsEmpty => _lines.Count == 0;

    /// <summary>Lines in which a group waits.</summary>
    public IReadOnlyCollection<WorkLine> Lines => _lines.Values;

    /// <summary>The line of the oldest group.</summary>
    /// <param name="except">Lines that aren't looked at.</param>
    public WorkLine? Oldest(IReadOnlyCollection<WorkLine> except)
    {
        WorkLine? oldest = null;
        foreach (var line in _lines.Values)
        {
            if ((oldest is null || line.First!.Order < oldest.First!.Order) && !except.Contains(line))
                oldest = line;
        }
        return oldest;
    }

    /// <summary>A group waits; again, where it needs another decoder than before.</summary>
    public void Add(RolloutGroup group)
    {
        var (required, reach, isSuspect) = (group.Required, ReachFor(group), group.IsSuspect);
        if (group.Line is { } before && before.Reach == reach && before.IsSuspect == isSuspect)
            return;
        Remove(group);
        if (!_lines.TryGetValue((required, reach, isSuspect), out var line))
            _lines.Add((required, reach, isSuspect), line = new WorkLine(required, reach, isSuspect));
        group.Line = line;
        line.Groups.Add(group);
    }

    public void Remove(RolloutGroup group)
    {
        if (group.Line is not { } line)
            return;
        group.Line = null;
        line.Groups.Remove(group);
        if (line.Groups.Count == 0)
            _lines.Remove((line.Required, line.Reach, line.IsSuspect));
    }

    /// <summary>Other decoders are there: their reaches.</summary>
    public void Reline(IEnumerable<long> reaches)
    {
        long[] sorted = [.. reaches.Distinct().Order()];
        if (sorted.AsSpan().SequenceEqual(_reaches))
            return;
        _reaches = sorted;
        foreach (var group in _lines.Values.SelectMany(line => line.Groups).ToArray())
            Add(group);
    }

    private long ReachFor(RolloutGroup group)
    {
        foreach (var reach in _reaches)
        {
            if (reach >= group.Longest)
                return reach;
        }
        return WorkLine.Nowhere;
    }
}

/// <summary>Groups that wait for the same decoders, and keep only each other waiting.</summary>
/// <param name="required">The weights that they may run under; null for any.</param>
/// <param name="reach">
/// The least reach of a decoder that is there and can run their longest samples; <see cref="Nowhere"/> where none can.
/// </param>
/// <param name="isSuspect">Decoders were lost with them, so often that no two of them may share one.</param>
public sealed class WorkLine(Policy? required, long reach, bool isSuspect)
{
    /// <summary>More than any decoder's reach.</summary>
    public const long Nowhere = long.MaxValue;

    public Policy? Required { get; } = required;

    public long Reach { get; } = reach;

    public bool IsSuspect { get; } = isSuspect;

    /// <summary>Those that wait, the oldest first.</summary>
    public SortedSet<RolloutGroup> Groups { get; } = new(ByOrder);

    /// <summary>The oldest; null where none waits any more.</summary>
    public RolloutGroup? First => Groups.Min;

    private static Comparer<RolloutGroup> ByOrder { get; } =
        Comparer<RolloutGroup>.Create((one, other) => one.Order.CompareTo(other.Order));
}
