using Rollout.Actors.Batching;
using Rollout.Actors.Blocks;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Sampling;
using Xunit;

namespace Rollout.Gpu.Tests.Execution;

/// <summary>
/// A decoder without its actors: planner, audited ledger, and a runner that has as many steps under way as it can.
/// </summary>
internal sealed class PlannedRun
{
    private readonly IModelRunner _runner;
    private readonly BlockLedger _ledger;
    private readonly StepPlanner _planner;

    public PlannedRun(IModelRunner runner, int maxNumSeqs, int maxNumBatchedTokens, int maxModelLength)
    {
        _runner = runner;
        _ledger = new BlockLedger(runner.Geometry, runner.Version) { Audited = true };
        _planner = new StepPlanner(
            new PlannerLimits
            {
                MaxNumSeqs = maxNumSeqs,
                MaxNumBatchedTokens = maxNumBatchedTokens,
                MaxModelLength = maxModelLength,
                MaxStepRetries = 0,
            },
            runner.Geometry,
            SamplingRng.SequenceKey);
    }

    /// <summary>Sequences whose blocks the pool has taken back.</summary>
    public int Preemptions { get; private set; }

    /// <summary>Steps with a prompt's tokens beside those of running sequences.</summary>
    public int MixedSteps { get; private set; }

    /// <summary>Steps of one token a row.</summary>
    public int DecodeSteps { get; private set; }

    /// <summary>Runs until all groups have finished and every block is back; by group, then sample.</summary>
    public Completion[] Run(IEnumerable<GroupRequest> groups)
    {
        foreach (var group in groups)
            _planner.Add(group);
        var finished = new List<SampleFinished>();
        for (var demand = Demand(); demand is not null;)
        {
            var grant = _ledger.Reserve(demand);
            Preemptions += grant.Preempted.Length;
            var batch = _planner.Plan(grant);
            demand = Demand(); // while the steps before are under way
            if (batch.RowCount > 0)
                Start(batch);
            var mayStay = batch.RowCount > 0 && demand is not null ? _runner.StepsAhead - 1 : 0;
            while (_planner.StepsUnderWay > mayStay)
                _planner.Complete(_runner.Finish(), new Policy(Run: 0, _runner.Version));
            finished.AddRange(_planner.TakeOutcomes().Select(Assert.IsType<SampleFinished>));
            demand ??= Demand();
        }

        Assert.Equal(0, _ledger.Usage.InUse);
        Assert.Null(_ledger.Imbalance());
        return
        [
            .. finished.OrderBy(one => one.Group.Value).ThenBy(one => one.Completion.Sample).Select(one => one.Completion),
        ];
    }

    private StepDemand? Demand() => _planner.HasWork ? _planner.Demand(_runner.Version) : null;

    private void Start(ForwardBatch batch)
    {
        var decoding = Enumerable.Range(0, batch.RowCount)
            .Count(row => batch.QueryStart[row + 1] - batch.QueryStart[row] == 1 && batch.ContextLengths[row] > 1);
        if (decoding == batch.RowCount)
            DecodeSteps++;
        else if (decoding > 0)
            MixedSteps++;
        _runner.Start(batch);
    }
}
