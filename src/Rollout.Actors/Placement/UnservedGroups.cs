using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

/// <summary>Finds waiting groups that no present decoder can work on, and says why they fail. Used by the book alone.</summary>
/// <param name="waiting">The queue.</param>
/// <param name="decoders">The decoders that are present.</param>
/// <param name="patience">How long a group waits for a decoder to come.</param>
internal sealed class UnservedGroups(WorkQueue waiting, DecoderFleet decoders, TimeSpan patience)
{
    private readonly Dictionary<WorkLine, TimeSpan> _since = [];

    /// <summary>Some waiting groups are too long for every decoder that is present.</summary>
    public bool AnyTooLong
    {
        get
        {
            foreach (var line in waiting.Lines)
            {
                if (line.Reach == WorkLine.Nowhere)
                    return true;
            }
            return false;
        }
    }

    /// <summary>Groups that are longer than any decoder of this model could run, lost ones included.</summary>
    public IReadOnlyList<(GroupId Id, string Reason)> Unfit()
    {
        var reach = decoders.GreatestReach;
        return reach == 0 ? [] :
        [
            .. waiting.Lines.Where(line => line.Reach == WorkLine.Nowhere).SelectMany(line => line.Groups)
                .Where(group => group.Longest > reach).Select(group => (group.Id, WhyUnfit(group))),
        ];

        string WhyUnfit(RolloutGroup group)
        {
            var prompt = group.Request!.Prompt.Length;
            return $"prompt of {prompt} and {group.Longest - prompt} new tokens exceed the longest sequence of {reach} tokens"
                + " that a decoder can run";
        }
    }

    /// <summary>Groups in lines that no decoder has served for too long. To be asked every second or so.</summary>
    /// <param name="now">The time.</param>
    /// <param name="isHeld">A new scheduler still waits for decoders to announce themselves.</param>
    public IReadOnlyList<(GroupId Id, string Reason)> Stranded(TimeSpan now, bool isHeld)
    {
        var unserved = isHeld ? [] : waiting.Lines.Where(line => !IsServed(line)).ToHashSet();
        foreach (var served in _since.Keys.Where(line => !unserved.Contains(line)).ToArray())
            _since.Remove(served);
        foreach (var line in unserved)
            _since.TryAdd(line, now);
        var overdue = unserved.Where(line => now - _since[line] >= patience).ToArray();
        Array.ForEach(overdue, line => _since.Remove(line));
        var loss = decoders.Roster.LastLoss ?? (decoders.Count == 0 ? "none has joined" : null);
        var after = loss is null ? "" : $"; {loss}";
        return
        [
            .. overdue.SelectMany(line => line.Groups)
                .Select(group => (group.Id, $"there has been no decoder {Wanted(group)}for {patience}{after}")),
        ];
    }

    private bool IsServed(WorkLine line) => decoders.All.Any(decoder =>
        decoder.Capacity.Reach >= line.Reach && (line.RequiredPolicy is not { } policy || policy == decoder.Announcement.Policy));

    private string Wanted(RolloutGroup group) => decoders.Count == 0 ? ""
        : group.Line!.Reach == WorkLine.Nowhere ? $"that can run sequences of {group.Longest} tokens "
        : $"that holds {group.RequiredPolicy} ";
}
