using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

/// <summary>Waiting groups that no decoder which is there may work on, and why they need not wait any longer.</summary>
/// <param name="waiting">Groups that wait.</param>
/// <param name="decoders">Those that are there.</param>
/// <param name="patience">How long a group waits for a decoder to come.</param>
internal sealed class UnservedGroups(WorkQueue waiting, DecoderFleet decoders, TimeSpan patience)
{
    private readonly Dictionary<WorkLine, TimeSpan> _since = [];

    /// <summary>Groups wait that no decoder can run which is there.</summary>
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

    /// <summary>Groups that are longer than what any decoder could run that there was.</summary>
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

    /// <summary>To be asked every second or so: groups in lines that no decoder has served for too long.</summary>
    /// <param name="now">The time.</param>
    /// <param name="loss">What became of the decoder that was lost last.</param>
    /// <param name="isHeld">Decoders are still to say that they are there: nobody is out of patience yet.</param>
    public IReadOnlyList<(GroupId Id, string Reason)> Stranded(TimeSpan now, string loss, bool isHeld)
    {
        var unserved = isHeld ? [] : waiting.Lines.Where(line => !IsServed(line)).ToHashSet();
        foreach (var served in _since.Keys.Where(line => !unserved.Contains(line)).ToArray())
            _since.Remove(served);
        foreach (var line in unserved)
            _since.TryAdd(line, now);
        var overdue = unserved.Where(line => now - _since[line] >= patience).ToArray();
        Array.ForEach(overdue, line => _since.Remove(line));
        return
        [
            .. overdue.SelectMany(line => line.Groups)
                .Select(group => (group.Id, $"there has been no decoder {Wanted(group)}for {patience}; {loss}")),
        ];
    }

    private bool IsServed(WorkLine line) => decoders.All.Any(decoder =>
        decoder.Capacity.Reach >= line.Reach && (line.Required is not { } policy || policy == decoder.Here.Policy));

    private string Wanted(RolloutGroup group) => decoders.Count == 0 ? ""
        : group.Line!.Reach == WorkLine.Nowhere ? $"that can run sequences of {group.Longest} tokens "
        : $"that holds {group.Required} ";
}
