using Rollout.Actors.Decoding;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Actors.Topology;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Sampling;
using Xunit;

namespace Rollout.Actors.Tests.Cluster;

/// <summary>Groups for the decoders of a cluster, which are to come back once each, whole, and as nothing had disturbed them.</summary>
/// <param name="requests">What is submitted.</param>
internal sealed class ClusterWork(params GroupRequest[] requests) : IDisposable
{
    private readonly CancellationTokenSource _deadline = new(TimeSpan.FromMinutes(2));
    private readonly List<FakeModelRunner> _runners = [];

    public CancellationToken Deadline => _deadline.Token;

    /// <summary>Tokens that all decoders have sampled: more than came back where some were sampled again.</summary>
    public int Draws => _runners.Sum(runner => runner.Draws);

    /// <summary>Tokens of what came back.</summary>
    public int Tokens { get; private set; }

    /// <summary>Numbers of the groups that have come back.</summary>
    public HashSet<long> Back { get; } = [];

    /// <summary>A decoder that has room for 8 sequences, and what its device does.</summary>
    /// <param name="member">Its host.</param>
    /// <param name="beforeStep">Called on its thread with the number of the step, from 1.</param>
    public FakeModelRunner AddDecoder(RolloutTopology member, Action<int>? beforeStep = null)
    {
        var runner = new FakeModelRunner(new KvCacheGeometry(BlockCount: 200, BlockSize: 4))
        {
            BeforeStep = (step, _) => beforeStep?.Invoke(step),
        };
        _runners.Add(runner);
        member.AddDecoder("cpu", () => runner, maxModelLength: 100, new PolicySource.Loaded());
        return runner;
    }

    /// <summary>Returns when all groups have come back.</summary>
    /// <param name="client">Submits them.</param>
    /// <param name="came">Called with the number of those that have come back, for each.</param>
    public async Task AssertComesBackAsync(RolloutTopology client, Action<int>? came = null)
    {
        await foreach (var outcome in client.Client.GenerateAsync(requests, cancellation: Deadline))
        {
            Assert.True(Back.Add(outcome.Id.Value), $"{outcome.Id} came twice");
            var completions = Assert.IsType<GroupFinished>(outcome).Completions;
            Groups.AssertExpected(
                requests.Single(request => request.Id == outcome.Id), completions, SamplingRng.SequenceKey);
            Tokens += completions.Sum(completion => completion.Tokens.Length);
            came?.Invoke(Back.Count);
        }
        Assert.Equal(requests.Length, Back.Count);
    }

    public void Dispose() => _deadline.Dispose();
}
