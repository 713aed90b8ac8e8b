using Rollout.Actors.Blocks;
using Rollout.Actors.Engine;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Cache;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Execution;
using Rollout.Gpu.Weights;
using TorchSharp;
using Xunit;

namespace Rollout.Host.Tests.Support;

/// <summary>A decoder without actors: engine, audited ledger and model, step by step.</summary>
internal sealed class EngineRig : IDisposable
{
    private const int Threads = 2;

    private readonly BlockLedger _ledger;
    private readonly DecodeEngine _engine;

    private EngineRig(PolicyWeights weights, IKvCache cache, int maxNumSeqs, bool staticBatch)
    {
        _ledger = new BlockLedger(cache.Geometry, weights.Version, prefixCaching: !staticBatch) { Audited = true };
        _engine = new DecodeEngine(new ModelRunner(weights, cache, Threads), new EngineLimits
        {
            MaxNumSeqs = maxNumSeqs,
            MaxNumBatchedTokens = 64,       // longer prompts come in chunks
            MaxModelLength = weights.Model.Config.MaxPositionEmbeddings,
            MaxStepRetries = 0,
            StaticBatch = staticBatch,
        });
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
            _engine.Add(group);
        var samples = new List<SampleFinished>();
        while (_engine.Demand() is { } demand)
        {
            var grant = _ledger.Reserve(demand);
            Preemptions += grant.Preempted.Length;
            _engine.Run(grant);
            samples.AddRange(_engine.TakeOutcomes().Select(Assert.IsType<SampleFinished>));
        }
        var finished = samples.GroupBy(sample => sample.Group).ToDictionary(
            group => group.Key, group => group.Select(sample => sample.Completion).OrderBy(one => one.Sample).ToArray());
        Assert.Equal(0, _ledger.Usage.InUse);
        Assert.Null(_ledger.Imbalance());
        return finished;
    }

    public void Dispose() => _engine.Dispose();
}
