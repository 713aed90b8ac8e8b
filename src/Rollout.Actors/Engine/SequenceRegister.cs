using Rollout.Actors.Protocol;
using Rollout.Actors.Text;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Sampling;

namespace Rollout.Actors.Engine;

/// <summary>The unfinished sequences of one engine, by group and sample.</summary>
internal sealed class SequenceRegister(HuggingFaceTokenizer? tokenizer)
{
    private readonly Dictionary<GroupId, Dictionary<int, Sequence>> _groups = [];
    private long _arrivals;

    public IEnumerable<Sequence> All => _groups.Values.SelectMany(samples => samples.Values);

    public Sequence[] MembersOf(GroupId id) => _groups.TryGetValue(id, out var members) ? [.. members.Values] : [];

    public Sequence? FindHolder(SequenceId id) => Find(id) is { HoldsBlocks: true } sequence ? sequence : null;

    /// <summary>Creates samples that are not here. One that is finished already is returned but not kept.</summary>
    public List<Sequence> Add(GroupRequest group, IReadOnlyList<SampleStart> samples)
    {
        var arrival = MembersOf(group.Id) is [var sibling, ..] ? sibling.Arrival : _arrivals++;
        var added = new List<Sequence>();
        foreach (var start in samples)
        {
            if (Find(new SequenceId(group.Id, start.Sample)) is not null)
                continue;
            var sequence = Create(group, start, arrival);
            added.Add(sequence);
            if (sequence.IsFinished)
                continue;
            if (!_groups.TryGetValue(group.Id, out var members))
                _groups.Add(group.Id, members = []);
            members.Add(start.Sample, sequence);
        }
        return added;
    }

    public void Remove(Sequence sequence)
    {
        var members = _groups[sequence.Id.Group];
        members.Remove(sequence.Id.Sample);
        if (members.Count == 0)
            _groups.Remove(sequence.Id.Group);
    }

    private Sequence? Find(SequenceId id) => _groups.GetValueOrDefault(id.Group)?.GetValueOrDefault(id.Sample);

    private Sequence Create(GroupRequest group, SampleStart start, long arrival)
    {
        var sampling = group.Samples[start.Sample];
        var key = SamplingRng.SequenceKey(sampling.Seed, new SequenceId(group.Id, start.Sample));
        var stopTexts = tokenizer is not null && sampling.StopTexts.Length > 0
            ? new StopTextSearch(tokenizer, sampling.StopTexts)
            : null;
        return new Sequence(group, start, key, arrival, stopTexts);
    }
}
