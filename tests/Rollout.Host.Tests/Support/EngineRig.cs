using Rollout.Actors.Batching;
using Rollout.Actors.Blocks;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Cache;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Execution;
using Rollout.Gpu.Sampling;
using Rollout.Gpu.Weights;
using TorchSharp;
using Xunit;

namespace Rollout.Host.Tests.Support;

/// <summary>A decoder without its actors: planner, audited ledger and model runner, step by step.</summary>
internal sealed class EngineRig : IDisposable
{
    private const int Threads = 2;

    private readonly ModelRunner _runner;
    private readonly BlockLedger _ledger;
    private readonly StepPlanner _planner;

    private EngineRig(PolicyWeights weights, IKvCache cache, int maxNumSeqs, bool staticBatch)
    {
        _runner = new ModelRunner(weights, cache, Threads);
        _ledger = new BlockLedger(cache.Geometry, weights.Version, prefixCaching: !staticBatch) { Audited = true };
        _planner = new StepPlanner(
            new PlannerLimits
            {
                MaxNumSeqs = maxNumSeqs,
                MaxNumBatchedTokens = 64,       // longer prompts come in chunks
                MaxModelLength = weights.Model.Config.MaxPositionEmbeddings,
                MaxStepRetries = 0,
                StaticBatch = staticBatch,
            },
            cache.Geometry,
            SamplingRng.SequenceKey);
    }

    /// <summary>Sequences whose blocks the pool has taken.</summary>
    public int Preemptions { get; private set; }

    public static EngineRig Paged(PolicyWeights weights, KvCacheGeometry geometry, int maxNumSeqs = 64)
    {
        var shape = KvCacheShape.Of(weights.Model.Config);
        var cache = new PagedKvCache(shape, geometry, torch.ScalarType.Float32, torch.CPU, Threads);
        return new EngineRig(weights, cache, maxNumSeqs, staticBatch: false);
    }

    /// <param name="weights">The model.</param>
    /// <param name="rows">Sequences at once.</param>
    /// <param name="length">Tokens of a row.</param>
    public static EngineRig Contiguous(PolicyWeights weights, int rows, int length)
    {
        var shape = KvCacheShape.Of(weights.Model.Config);
        var cache = new ContiguousKvCache(
            shape, new KvCacheGeometry(rows, length), torch.ScalarType.Float32, torch.CPU);
        return new EngineRig(weights, cache, rows, staticBatch: true);
    }

    /// <summary>Runs until all groups have finished and every block is back.</summary>
    public Dictionary<GroupId, Completion[]> Run(IEnumerable<GroupRequest> groups)
    {
        foreach (var group in groups)
            _planner.Add(group);
        var samples = new List<SampleFinished>();
        while (_planner.HasWork)
        {
            var grant = _ledger.Reserve(_planner.Demand(_runner.Version));
            Preemptions += grant.Preempted.Length;
            var batch = _planner.Plan(grant);
            if (batch.RowCount > 0)
            {
                _runner.Start(batch);
                _planner.Complete(_runner.Finish(), new Policy(Run: 0, _runner.Version));
            }
            samples.AddRange(_planner.TakeOutcomes().Select(Assert.IsType<SampleFinished>));
        }
        var finished = samples.GroupBy(sample => sample.Group).ToDictionary(
            group => group.Key, group => group.Select(sample => sample.Completion).OrderBy(one => one.Sample).ToArray());
        Assert.Equal(0, _ledger.Usage.InUse);
        Assert.Null(_ledger.Imbalance());
        return finished;
    }

    public void Dispose() => _runner.Dispose();
}
