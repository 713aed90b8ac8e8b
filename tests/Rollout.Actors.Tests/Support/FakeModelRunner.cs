using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Support;

/// <summary>
/// A model whose next token is a hash of every token before it, read back from a pool in which each slot holds the
/// token that was written there, and the policy that wrote it. A wrong block table, a missing copy or a stale slot
/// changes the tokens; one that an older policy wrote fails the step.
/// </summary>
public sealed class FakeModelRunner(KvCacheGeometry geometry, int vocabulary = 1000) : IModelRunner
{
    private const int Unwritten = -1;

    private readonly (int Token, PolicyVersion Version)[] _pool =
        Enumerable.Repeat((Unwritten, default(PolicyVersion)), geometry.BlockCount * geometry.BlockSize).ToArray();
    private readonly StepOutput _output = new();

    public KvCacheGeometry Geometry { get; } = geometry;

    public PolicyVersion Version { get; private set; }

    /// <summary>Called before each step with its number, from 1; may throw.</summary>
    public Action<int, ForwardBatch>? BeforeStep { get; set; }

    public int Steps { get; private set; }

    public int MostRows { get; private set; }

    public int MostTokens { get; private set; }

    public bool IsDisposed { get; private set; }

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

    public StepOutput Run(ForwardBatch batch)
    {
        Threads.Add(Environment.CurrentManagedThreadId);
        Steps++;
        MostRows = Math.Max(MostRows, batch.RowCount);
        MostTokens = Math.Max(MostTokens, batch.TokenCount);
        BeforeStep?.Invoke(Steps, batch);
        var sources = batch.Copies.ConvertAll(copy => Block(copy.Source.Value).ToArray());
        for (var i = 0; i < sources.Count; i++)
            sources[i].CopyTo(Block(batch.Copies[i].Destination.Value));
        for (var i = 0; i < batch.TokenCount; i++)
            _pool[batch.SlotMapping[i]] = (batch.TokenIds[i], Version);

        _output.Count = batch.DrawCount;
        _output.Tokens = new int[batch.DrawCount];
        _output.Logprobs = new float[batch.DrawCount];
        for (var i = 0; i < batch.DrawCount; i++)
        {
            var draw = batch.Draws[i];
            var context = Read(batch, draw.Row);
            Assert.Equal(draw.Position, context.Length);
            _output.Tokens[i] = Next(context, draw.Key, Version, vocabulary);
            _output.Logprobs[i] = -_output.Tokens[i];
        }
        return _output;
    }

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
