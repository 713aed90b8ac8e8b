using System.Threading.Channels;
using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Actors.Rewards;
using Rollout.Actors.Settings;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Tests.Rewards;

/// <summary>A reward actor in virtual time.</summary>
public abstract class RewardActorTest() : ActorTest(VirtualTime)
{
    protected static readonly RewardLimits Limits = new()
    {
        Timeout = TimeSpan.FromMinutes(1),
        Concurrency = 4,
        Tries = 3,
        RetryWait = TimeSpan.FromSeconds(1),
        MaxStuck = 1,
    };

    protected IActorRef Start(Func<ScoredSample, ValueTask<double?>> score, RewardLimits? limits = null) =>
        Start((sample, _) => score(sample), limits);

    protected IActorRef Start(
        Func<ScoredSample, CancellationToken, ValueTask<double?>> score, RewardLimits? limits = null) =>
        Start(FakeReward.Only(score), limits);

    protected IActorRef Start(RewardSet rewards, RewardLimits? limits = null) =>
        Sys.ActorOf(RewardActor.Props(new FakeTokenizer(), rewards, limits ?? Limits));

    /// <summary>A finished group; its last completion ended by length.</summary>
    protected static ScoreGroup Ask(int id, params int[][] completions) => new(
        Prompts.Item(id),
        new GroupFinished(
            new GroupId(id),
            [.. completions.Select((tokens, i) => new Completion(
                i,
                new SampledTokens(tokens, new float[tokens.Length], [new(default, 0)]),
                i == completions.Length - 1 ? FinishReason.Length : FinishReason.Stop))]),
        MaxTokens: 99);

    /// <summary>Calls of a reward that the test ends itself.</summary>
    protected sealed class Held : IRewardFunction
    {
        private readonly Channel<(ScoredSample Sample, TaskCompletionSource<double?> End)> _calls =
            Channel.CreateUnbounded<(ScoredSample, TaskCompletionSource<double?>)>();

        /// <summary>The next call that has begun.</summary>
        public ValueTask<(ScoredSample Sample, TaskCompletionSource<double?> End)> NextAsync() =>
            _calls.Reader.ReadAsync(new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token);

        /// <summary>No further call has begun.</summary>
        public bool IsQuiet => !_calls.Reader.TryPeek(out _);

        public async ValueTask<double?> ScoreAsync(ScoredSample sample, CancellationToken cancellation)
        {
            var end = new TaskCompletionSource<double?>();
            _calls.Writer.TryWrite((sample, end));
            return await end.Task;
        }
    }
}
