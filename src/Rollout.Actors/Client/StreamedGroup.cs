using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Client;

/// <summary>
/// The samples of one group as their client has seen them. Turns slices, which may come twice or with a gap, into
/// <see cref="SampleNews"/> in order. The outcome fills every gap.
/// </summary>
/// <param name="id">The group's id as it was submitted.</param>
/// <param name="samples">The number of its samples.</param>
internal sealed class StreamedGroup(GroupId id, int samples)
{
    private readonly int[] _seen = new int[samples];        // tokens of each sample that were given
    private readonly bool[] _ended = new bool[samples];

    /// <summary>
    /// What of a slice the client has not seen; null if it has seen all, tokens before it are missing, or the group has no such
    /// sample.
    /// </summary>
    public SampleNews? Take(SampleSlice slice)
    {
        var (sample, end) = (slice.Sample, slice.Start + slice.Sampled.Count);
        if ((uint)sample >= _seen.Length || _ended[sample] || slice.Start > _seen[sample] || end < _seen[sample]
            || (end == _seen[sample] && slice.Finished is null))
        {
            return null;
        }
        var known = _seen[sample] - slice.Start;
        (_seen[sample], _ended[sample]) = (end, slice.Finished is not null);
        return new SampleNews(id, sample, slice.Sampled.Slice(known, slice.Sampled.Count - known), slice.Finished);
    }

    /// <summary>What of the finished group the client has not seen.</summary>
    public IEnumerable<SampleNews> TakeRest(GroupFinished finished) => finished.Completions
        .Select(completion => Take(new SampleSlice(completion.Sample, 0, completion.Sampled, completion.Reason)))
        .OfType<SampleNews>();
}
