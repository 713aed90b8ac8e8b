using Akka.Actor;
using Rollout.Actors.Client;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Client;

/// <summary>The test's own actor is the trainer.</summary>
public sealed class TrainingClientTests : ActorTest
{
    private static readonly TrainingProgress From = new(3, 30, 9);

    [Fact]
    public async Task It_gives_all_events_and_ends_with_the_end()
    {
        var events = FollowAsync();
        var start = await ExpectMsgAsync<StartTraining>();
        Assert.Equal(From, start.From);
        object[] sent = [new TrainingStarted(0.5), new CheckpointSaved(4, "step-4"), new TrainingEnded(From, null, null)];
        Tell(start.Observer, sent);

        Assert.Equal(sent, await events);
    }

    [Fact]
    public async Task A_wish_to_stop_reaches_the_trainer_and_events_go_on_until_the_end()
    {
        using var stop = new CancellationTokenSource();
        var events = FollowAsync(stop: stop.Token);
        var start = await ExpectMsgAsync<StartTraining>();

        await stop.CancelAsync();
        await ExpectMsgAsync<StopTraining>();
        Tell(start.Observer, new CheckpointSaved(4, "step-4"), new TrainingEnded(From, "step-4", null));

        Assert.Equal(2, (await events).Count);
    }

    [Fact]
    public async Task A_trainer_that_dies_without_a_word_ends_the_run_with_an_error()
    {
        var trainer = CreateTestProbe();
        var events = FollowAsync(trainer);
        await trainer.ExpectMsgAsync<StartTraining>();

        Sys.Stop(trainer);

        Assert.NotNull(Assert.IsType<TrainingEnded>(Assert.Single(await events)).Error);
    }

    private Task<List<object>> FollowAsync(IActorRef? trainer = null, CancellationToken stop = default) =>
        Task.Run(async () =>
        {
            var events = new List<object>();
            await foreach (var seen in new TrainingClient(Sys, trainer ?? TestActor).TrainAsync(From, stop))
                events.Add(seen);
            return events;
        }, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(60), CancellationToken.None);
}
