using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Support;

/// <summary>
/// A model whose next token is a hash of every token before it, read back from a pool in which each slot holds the
/// token that was written there, and the policy that wrote it. A wrong block table, a missing copy or a stale slot
/// changes the tokens; one that an older policy wrote fails the step. A token's log-probability is minus its id, and half
/// of it among the tokens that a filter keeps.
/// </summary>
public sealed class FakeModelRunner(KvCacheGeometry geometry, int vocabulary = 1000) : IModelRunner
{
    private const int Unwritten = -1;
    private const int RubbishToken = 1_000_000;

    private readonly (int Token, PolicyVersion Version)[] _pool =
        Enumerable.Repeat((Unwritten, default(PolicyVersion)), geometry.BlockCount * geometry.BlockSize).ToArray();
    private readonly Queue<(StepOutput Output, Exception? Fault)> _underWay = [];
    private StepOutput _last = new();

    public KvCacheGeometry Geometry { get; } = geometry;

    public PolicyVersion Version { get; private set; }

    public int VocabularySize { get; init; } = 1000;

    public int MaxCopies { get; init; } = int.MaxValue;

    /// <summary>Steps started and not finished.</summary>
    public int StepsUnderWay => _underWay.Count;

    public int MostStepsUnderWay { get; private set; }

    public int MostCopies { get; private set; }

    /// <summary>The draws of a batch whose logits are broken: the step is computed, and its result names them.</summary>
    public Func<ForwardBatch, IEnumerable<int>>? FaultyDraws { get; set; }

    /// <summary>2 behaves as a device does: a fault is seen when the step is waited for, and what follows it computes rubbish.</summary>
    public int MaxStepsUnderWay { get; init; } = 1;

    /// <summary>Called before each step with its number, from 1; may throw.</summary>
    public Action<int, ForwardBatch>? BeforeStep { get; set; }

    public int Steps { get; private set; }

    /// <summary>Tokens sampled.</summary>
    public int Draws { get; private set; }

    public int MostRows { get; private set; }

    public int MostTokens { get; private set; }

    public bool IsDisposed { get; private set; }

    /// <summary>Between a park and the next weights.</summary>
    public bool IsAsleep { get; private set; }

    /// <summary>Managed ids of the threads that built, used and disposed of it.</summary>
    public HashSet<int> Threads { get; } = [Environment.CurrentManagedThreadId];

    /// <summary>What the model says after these tokens, under a policy.</summary>
    public static int Next(ReadOnlySpan<int> tokens, ulong key, PolicyVersion version, int vocabulary = 1000)
    {
        var hash = 1469598103934665603UL ^ key ^ (ulong)version.Value;
        foreach (var token in tokens)
            hash = (hash ^ (uint)token) * 1099511628211UL;
        return (int)((hash >> 20) % (ulong)vocabulary);
    }

    public void Start(ForwardBatch batch)
    {
        Threads.Add(Environment.CurrentManagedThreadId);
        Assert.True(_underWay.Count < MaxStepsUnderWay, "more steps under way than the runner takes");
        Assert.False(IsAsleep, "a step is started while the pool's memory is somebody else's");
        Assert.True(batch.Copies.Count <= MaxCopies, "more copies than the runner can make in a step");
        try
        {
            _last = Compute(batch);
            var faulty = FaultyDraws?.Invoke(batch).ToArray() ?? [];
            foreach (var draw in faulty)
                _last.Tokens[draw] = RubbishToken;
            _underWay.Enqueue((_last, faulty is [] ? null : new DrawFaultException(faulty, "broken logits")));
        }
        catch (Exception fault) when (MaxStepsUnderWay > 1)
        {
            Write(batch, _ => RubbishToken);
            _last = new StepOutput { Count = batch.DrawCount, Tokens = Rubbish(batch.DrawCount) };
            _underWay.Enqueue((_last, fault));
        }
        MostStepsUnderWay = Math.Max(MostStepsUnderWay, StepsUnderWay);
    }

    public StepOutput Finish()
    {
        Threads.Add(Environment.CurrentManagedThreadId);
        var (output, fault) = _underWay.Dequeue();
        return fault is null ? output : throw fault;
    }

    /// <summary>Both, for a runner that is driven one step at a time.</summary>
    public StepOutput Run(ForwardBatch batch)
    {
        Start(batch);
        return Finish();
    }

    private StepOutput Compute(ForwardBatch batch)
    {
        Steps++;
        MostRows = Math.Max(MostRows, batch.RowCount);
        MostTokens = Math.Max(MostTokens, batch.TokenCount);
        MostCopies = Math.Max(MostCopies, batch.Copies.Count);
        BeforeStep?.Invoke(Steps, batch);
        Draws += batch.DrawCount;
        Write(batch, Known);
        var output = new StepOutput
        {
            Count = batch.DrawCount,
            Tokens = new int[batch.DrawCount],
            Logprobs = new float[batch.DrawCount],
            SamplingLogprobs = batch.HasFilters ? new float[batch.DrawCount] : [],
        };
        for (var i = 0; i < batch.DrawCount; i++)
        {
            var draw = batch.Draws[i];
            var context = Read(batch, draw.Row);
            Assert.Equal(draw.Position, context.Length);
            output.Tokens[i] = context.Contains(RubbishToken) ? RubbishToken : Next(context, draw.Key, Version, vocabulary);
            output.Logprobs[i] = -output.Tokens[i];
            if (draw.Sampling.Filters)
                output.SamplingLogprobs[i] = output.Logprobs[i] / 2;
        }
        return output;
    }

    private void Write(ForwardBatch batch, Func<int, int> tokenOf)
    {
        var sources = batch.Copies.ConvertAll(copy => Block(copy.Source.Value).ToArray());
        for (var i = 0; i < sources.Count; i++)
            sources[i].CopyTo(Block(batch.Copies[i].Destination.Value));
        for (var i = 0; i < batch.TokenCount; i++)
            _pool[batch.SlotMapping[i]] = (tokenOf(batch.TokenIds[i]), Version);
    }

    /// <summary>A token that the host named by its draw in the step before.</summary>
    private int Known(int token)
    {
        Assert.True(token >= 0 || MaxStepsUnderWay > 1, "the host knows every token here");
        return token >= 0 ? token : _last.Tokens[~token];
    }

    private static int[] Rubbish(int count) => [.. Enumerable.Repeat(RubbishToken, count)];

    public void Sleep()
    {
        Assert.Empty(_underWay);
        Array.Fill(_pool, (Unwritten, default));
        IsAsleep = true;
    }

    public void Wake() => IsAsleep = false;

    public void LoadWeights(PolicyVersion version)
    {
        Threads.Add(Environment.CurrentManagedThreadId);
        Version = version;
    }

    public void Dispose()
    {
        Threads.Add(Environment.CurrentManagedThreadId);
        IsDisposed = true;
    }

    private int[] Read(ForwardBatch batch, int row)
    {
        var context = new int[batch.ContextLengths[row]];
        for (var i = 0; i < context.Length; i++)
        {
            var block = batch.BlockTables[batch.BlockTableStart[row] + i / Geometry.BlockSize];
            (context[i], var version) = _pool[block * Geometry.BlockSize + i % Geometry.BlockSize];
            Assert.NotEqual(Unwritten, context[i]);
            Assert.Equal(Version, version);
        }
        return context;
    }

    private Span<(int Token, PolicyVersion Version)> Block(int block) => _pool.AsSpan(block * Geometry.BlockSize, Geometry.BlockSize);
}
