using Rollout.Actors.Blocks;
using Rollout.Actors.Engine;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Gpu.Tests.Execution;

/// <summary>An engine with an audited ledger, run one demand ahead, and what its batches looked like.</summary>
internal sealed class PlannedRun
{
    private readonly BlockLedger _ledger;
    private readonly DecodeEngine _engine;

    public PlannedRun(IModelRunner runner, int maxNumSeqs, int maxNumBatchedTokens, int maxModelLength)
    {
        _ledger = new BlockLedger(runner.Geometry, runner.Version) { Audited = true };
        _engine = new DecodeEngine(new Watched(runner, this), new EngineLimits
        {
            MaxNumSeqs = maxNumSeqs,
            MaxNumBatchedTokens = maxNumBatchedTokens,
            MaxModelLength = maxModelLength,
            MaxStepRetries = 0,
        });
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
            _engine.Add(group);
        var finished = new List<SampleFinished>();
        for (var demand = _engine.Demand(); demand is not null;)
        {
            var grant = _ledger.Reserve(demand);
            Preemptions += grant.Preempted.Length;
            demand = null;
            _engine.Run(grant, ahead => demand = ahead);
            finished.AddRange(_engine.TakeOutcomes().Select(Assert.IsType<SampleFinished>));
        }

        Assert.Equal(0, _ledger.Usage.InUse);
        Assert.Null(_ledger.Imbalance());
        return
        [
            .. finished.OrderBy(one => one.Group.Value).ThenBy(one => one.Completion.Sample).Select(one => one.Completion),
        ];
    }

    private void Count(ForwardBatch batch)
    {
        var decoding = Enumerable.Range(0, batch.RowCount)
            .Count(row => batch.QueryStart[row + 1] - batch.QueryStart[row] == 1 && batch.ContextLengths[row] > 1);
        if (decoding == batch.RowCount)
            DecodeSteps++;
        else if (decoding > 0)
            MixedSteps++;
    }

    private sealed class Watched(IModelRunner runner, PlannedRun run) : IModelRunner
    {
        public KvCacheGeometry Geometry => runner.Geometry;

        public PolicyVersion Version => runner.Version;

        public int VocabularySize => runner.VocabularySize;

        public int MaxStepsUnderWay => runner.MaxStepsUnderWay;

        public void Start(ForwardBatch batch)
        {
            run.Count(batch);
            runner.Start(batch);
        }

        public StepOutput Finish() => runner.Finish();

        public void LoadWeights(PolicyVersion version) => runner.LoadWeights(version);

        public void Dispose()
        {
        }
    }
}
