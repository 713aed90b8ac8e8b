using Rollout.Actors.Blocks;
using Rollout.Actors.Engine;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Engine;

/// <summary>An engine, its audited ledger and a fake model, one demand ahead as the decoder runs it.</summary>
internal sealed class EngineRig
{
    private readonly BlockLedger _ledger;
    private StepGrant? _grant;

    public EngineRig(EngineScenario scenario)
    {
        var geometry = new KvCacheGeometry(scenario.Blocks, scenario.BlockSize);
        _ledger = new BlockLedger(geometry, default, prefixCaching: !scenario.StaticBatch) { Audited = true };
        Runner = new FakeModelRunner(geometry) { MaxStepsUnderWay = scenario.StepsAhead, MaxCopies = scenario.MaxCopies };
        Engine = new DecodeEngine(Runner, new EngineLimits
        {
            MaxNumSeqs = scenario.MaxNumSeqs,
            MaxNumBatchedTokens = scenario.MaxNumBatchedTokens,
            MaxModelLength = scenario.BlockSize * (scenario.StaticBatch ? 1 : 1000),
            MaxStepRetries = 2,
            StaticBatch = scenario.StaticBatch,
        })
        {
            StepFailed = Faults.Add,
        };
    }

    public DecodeEngine Engine { get; }

    public FakeModelRunner Runner { get; }

    /// <summary>Why steps failed. The engine retries those that read a wrong block, too.</summary>
    public List<Exception> Faults { get; } = [];

    public SampleCollector Samples { get; } = new();

    /// <summary>Runs until all groups have ended.</summary>
    public List<GroupOutcome> Run(GroupRequest[] groups, int stepsBetweenArrivals)
    {
        var next = 0;
        for (var step = 0; ; step++)
        {
            Assert.True(step < 20_000, "no end in sight");
            while (next < groups.Length && step >= next * stepsBetweenArrivals)
                Engine.Add(groups[next++]);
            if (!Step() && next == groups.Length)
                break;
        }
        Samples.Add(Engine.TakeOutcomes());
        Assert.Equal(0, Runner.StepsUnderWay);
        return Samples.Groups(groups);
    }

    /// <summary>Runs on with a group that is there already.</summary>
    public List<GroupOutcome> Resume(GroupRequest group)
    {
        Run([], stepsBetweenArrivals: 0);
        return Samples.Groups([group]);
    }

    /// <summary>Runs the step that this demand is for.</summary>
    public void Answer(StepDemand demand, Action<StepDemand>? reserveAhead = null) =>
        Engine.Run(_ledger.Reserve(demand), reserveAhead);

    /// <summary>Runs one step. False where there is nothing to do.</summary>
    public bool Step(bool reserveAhead = true)
    {
        Reserve(Engine.Demand());
        if (_grant is not { } grant)
            return false;
        _grant = null;
        Engine.Run(grant, reserveAhead ? Reserve : null);
        Samples.Add(Engine.TakeOutcomes());
        return true;
    }

    /// <summary>New weights, between two steps.</summary>
    public void SwapPolicy(PolicyVersion version)
    {
        Engine.SwapPolicy(new Policy(Run: 0, version));
        _ledger.ResetPolicy(version);
    }

    public void AssertIdle()
    {
        Assert.Equal(0, _ledger.SequenceCount);
        Assert.Equal(0, _ledger.Usage.InUse);
        Assert.Null(_ledger.Imbalance());
    }

    private void Reserve(StepDemand? demand)
    {
        if (demand is not null)
            _grant = _ledger.Reserve(demand);
    }
}
