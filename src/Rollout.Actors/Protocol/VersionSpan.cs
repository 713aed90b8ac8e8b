using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Protocol;

/// <summary>
/// From token <paramref name="Start"/> on, this policy sampled. Policies of two runs may have equal version numbers:
/// their run tells them apart.
/// </summary>
public readonly record struct VersionSpan(Policy Policy, int Start)
{
    public PolicyVersion Version => Policy.Version;

    /// <summary>The spans of tokens start … start + count − 1, counted from the first of these.</summary>
    public static VersionSpan[] Slice(VersionSpan[] spans, int start, int count)
    {
        if (count == 0)
            return [];
        if (spans is [{ Start: 0 }])
            return spans;
        var sliced = new List<VersionSpan>();
        foreach (var span in spans)
        {
            if (span.Start >= start + count)
                break;
            var moved = span with { Start = Math.Max(0, span.Start - start) };
            if (moved.Start == 0)
                sliced.Clear();
            sliced.Add(moved);
        }
        return [.. sliced];
    }
}
