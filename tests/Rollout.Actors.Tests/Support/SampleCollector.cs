using Rollout.Actors.Engine;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Support;

/// <summary>Puts the samples that a planner reports together to groups again, and notices one that comes twice.</summary>
internal sealed class SampleCollector
{
    private readonly Dictionary<GroupId, SortedDictionary<int, Completion>> _finished = [];
    private readonly Dictionary<GroupId, string> _failed = [];

    public void Add(IEnumerable<SampleOutcome> outcomes)
    {
        foreach (var outcome in outcomes)
        {
            if (outcome is SamplesFailed failed)
                Assert.True(_failed.TryAdd(failed.Group, failed.Reason), $"{failed.Group} failed twice");
            else if (outcome is SampleFinished done)
                Assert.True(Of(done.Group).TryAdd(done.Completion.Sample, done.Completion), "a sample ended twice");
        }
    }

    /// <summary>What became of these groups, in their order; those that have no end yet are left out.</summary>
    public List<GroupOutcome> Groups(IEnumerable<GroupRequest> groups)
    {
        var ended = new List<GroupOutcome>();
        foreach (var group in groups)
        {
            if (_failed.TryGetValue(group.Id, out var reason))
                ended.Add(new GroupFailed(group.Id, reason));
            else if (Of(group.Id).Count == group.Samples.Length)
                ended.Add(new GroupFinished(group.Id, [.. Of(group.Id).Values]));
        }
        return ended;
    }

    /// <summary>The group's samples that have come, in their order.</summary>
    public IReadOnlyCollection<Completion> Completions(GroupId group) => Of(group).Values;

    private SortedDictionary<int, Completion> Of(GroupId group)
    {
        if (!_finished.TryGetValue(group, out var samples))
            _finished.Add(group, samples = []);
        return samples;
    }
}
