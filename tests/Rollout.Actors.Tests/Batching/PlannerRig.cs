using Rollout.Actors.Batching;
using Rollout.Actors.Blocks;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Batching;

/// <summary>A planner, its ledger and its model, driven without actors but one demand ahead, as the decoder does.</summary>
internal sealed class PlannerRig
{
    private readonly BlockLedger _ledger;
    private StepGrant? _grant;

    public PlannerRig(PlannerScenario scenario)
    {
        var geometry = new KvCacheGeometry(scenario.Blocks, scenario.BlockSize);
        _ledger = new BlockLedger(geometry, default, prefixCaching: !scenario.StaticBatch) { Audited = true };
        Runner = new FakeModelRunner(geometry) { StepsAhead = scenario.StepsAhead };
        Planner = new StepPlanner(
            new PlannerLimits
            {
                MaxNumSeqs = scenario.MaxNumSeqs,
                MaxNumBatchedTokens = scenario.MaxNumBatchedTokens,
                MaxModelLength = scenario.BlockSize * (scenario.StaticBatch ? 1 : 1000),
                MaxStepRetries = 2,
                StaticBatch = scenario.StaticBatch,
            },
            geometry,
            Groups.Key);
    }

    public StepPlanner Planner { get; }

    public FakeModelRunner Runner { get; }

    public SampleCollector Samples { get; } = new();

    public List<GroupOutcome> Run(GroupRequest[] groups, int stepsBetweenArrivals)
    {
        var next = 0;
        for (var step = 0; next < groups.Length || Planner.HasWork || Planner.IsDemandOut; step++)
        {
            Assert.True(step < 20_000, "no end in sight");
            while (next < groups.Length && step >= next * stepsBetweenArrivals)
                Planner.Add(groups[next++]);
            Step();
        }
        Samples.Add(Planner.TakeOutcomes());
        Assert.Equal(0, Planner.StepsUnderWay);
        return Samples.Groups(groups);
    }

    /// <summary>Runs on with a group that is there already.</summary>
    public List<GroupOutcome> Resume(GroupRequest group)
    {
        Run([], stepsBetweenArrivals: 0);
        return Samples.Groups([group]);
    }

    public void Step(bool reserveAhead = true)
    {
        Reserve();
        if (_grant is null)
            return;
        var batch = Planner.Plan(_grant);
        _grant = null;
        if (reserveAhead)
            Reserve();
        if (batch.RowCount > 0)
            Start(batch);
        var mayStay = batch.RowCount > 0 && reserveAhead && Planner.IsDemandOut ? Runner.StepsAhead - 1 : 0;
        while (Planner.StepsUnderWay > mayStay)
            Finish();
        Samples.Add(Planner.TakeOutcomes());
    }

    private void Start(ForwardBatch batch)
    {
        try
        {
            Runner.Start(batch);
        }
        catch (InvalidOperationException fault)
        {
            Planner.Fail(fault);
        }
    }

    private void Finish()
    {
        try
        {
            Planner.Complete(Runner.Finish(), new Policy(Run: 0, Runner.Version));
        }
        catch (InvalidOperationException fault)
        {
            Planner.Fail(fault);
        }
    }

    public void Update(PolicyVersion version)
    {
        Runner.LoadWeights(version);
        _ledger.ResetPolicy(version);
    }

    public void AssertIdle()
    {
        Assert.Equal(0, _ledger.SequenceCount);
        Assert.Equal(0, _ledger.Usage.InUse);
        Assert.Null(_ledger.Imbalance());
    }

    private void Reserve()
    {
        if (!Planner.IsDemandOut && Planner.HasWork)
            _grant = _ledger.Reserve(Planner.Demand(_ledger.Version));
    }
}
