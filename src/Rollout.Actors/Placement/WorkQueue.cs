using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

/// <summary>
/// Groups with samples that wait for a decoder, the oldest first, in a line for each kind of decoder that they need: no group
/// keeps others waiting that another decoder may take.
/// </summary>
public sealed class WorkQueue
{
    private readonly Dictionary<(Policy? RequiredPolicy, long Reach, bool IsSuspect), WorkLine> _lines = [];
    private long[] _reaches = [];       // of the present decoders, ascending

    public bool IsEmpty => _lines.Count == 0;

    /// <summary>The lines; none is empty.</summary>
    public IReadOnlyCollection<WorkLine> Lines => _lines.Values;

    /// <summary>The line of the oldest group.</summary>
    /// <param name="except">Lines to leave out.</param>
    public WorkLine? Oldest(IReadOnlyCollection<WorkLine> except)
    {
        WorkLine? oldest = null;
        foreach (var line in _lines.Values)
        {
            if ((oldest is null || line.First!.Arrival < oldest.First!.Arrival) && !except.Contains(line))
                oldest = line;
        }
        return oldest;
    }

    /// <summary>Adds a group, or moves it to the line for what it needs now.</summary>
    public void Add(RolloutGroup group)
    {
        var (required, reach, isSuspect) = (group.RequiredPolicy, ReachFor(group), group.IsSuspect);
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
            _lines.Remove((line.RequiredPolicy, line.Reach, line.IsSuspect));
    }

    /// <summary>Sorts the groups into lines again, after decoders came or went.</summary>
    /// <param name="reaches">Of the present decoders.</param>
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
/// <param name="required">The only weights that they may run under; null for any.</param>
/// <param name="reach">
/// The least reach of a present decoder that can run their longest samples; <see cref="Nowhere"/> where none can.
/// </param>
/// <param name="isSuspect">So many decoders were lost with them that no two of them may share one.</param>
public sealed class WorkLine(Policy? required, long reach, bool isSuspect)
{
    /// <summary>More than any decoder's reach.</summary>
    public const long Nowhere = long.MaxValue;

    public Policy? RequiredPolicy { get; } = required;

    public long Reach { get; } = reach;

    public bool IsSuspect { get; } = isSuspect;

    /// <summary>The groups, the oldest first.</summary>
    public SortedSet<RolloutGroup> Groups { get; } = new(ByArrival);

    /// <summary>The oldest group; null in an empty line.</summary>
    public RolloutGroup? First => Groups.Min;

    private static Comparer<RolloutGroup> ByArrival { get; } =
        Comparer<RolloutGroup>.Create((one, other) => one.Arrival.CompareTo(other.Arrival));
}
