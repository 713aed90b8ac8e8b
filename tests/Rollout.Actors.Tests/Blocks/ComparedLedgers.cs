using Rollout.Actors.Blocks;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Blocks;

/// <summary>
/// A ledger and the reference ledger, which must agree in all but block ids after each demand.
/// </summary>
internal sealed class ComparedLedgers(KvCacheGeometry geometry, PolicyVersion version, bool caching)
{
    private readonly BlockLedger _ledger = new(geometry, version, caching) { Audited = true };
    private readonly ReferenceLedger _reference = new(geometry, version, caching);

    public HistoryCoverage Coverage { get; } = new();

    public PoolUsage Usage => _ledger.Usage;

    public StepGrant Reserve(StepDemand demand)
    {
        var expected = _reference.Reserve(demand);
        var grant = _ledger.Reserve(demand);
        Assert.Equal(demand.Step, grant.Step);
        Assert.Equal(expected.Changes.Select(Outline), grant.Changes.Select(Outline));
        Assert.Equal(expected.Copies.Length, grant.Copies.Length);
        Assert.Equal(expected.Preempted, grant.Preempted);
        Assert.Equal(expected.Answers.Select(Outline), grant.Answers.Select(Outline));
        Assert.Equal(expected.Usage, grant.Usage);
        Compare();
        if (grant.Answers.Any(answer => answer is AdmissionAnswer.Deferred))
            Assert.True(_ledger.SequenceCount > 0, "deferred although nobody holds anything");
        Coverage.Add(grant);
        return grant;
    }

    public void ResetPolicy(PolicyVersion next)
    {
        _ledger.ResetPolicy(next);
        _reference.ResetPolicy(next);
        Compare();
    }

    private void Compare()
    {
        Assert.Equal(_reference.Usage, _ledger.Usage);
        Assert.Null(_ledger.Imbalance());
        Assert.Equal(_ledger.Usage.Logical == 0, _ledger.SequenceCount == 0);
    }

    private static (SequenceId Sequence, int Index) Outline(TableChange change) =>
        (change.Sequence, change.Index);

    private static (string Answer, int First, int Second) Outline(AdmissionAnswer answer) => answer switch
    {
        AdmissionAnswer.Granted granted => ("granted", granted.Blocks.Length, granted.CachedTokens),
        AdmissionAnswer.Deferred => ("deferred", 0, 0),
        AdmissionAnswer.Refused refused => ("refused", refused.Needed, refused.Capacity),
        _ => throw new InvalidOperationException($"unknown answer {answer}"),
    };
}
