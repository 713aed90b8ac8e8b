using Akka.Actor;
using Akka.Actor.Dsl;
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

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task It_gives_all_events_and_ends_with_the_end()
    {
        var events = FollowAsync();
        var start = await ExpectMsgAsync<StartTraining>();
        Assert.Equal(From, start.From);
        object[] sent = [new TrainingStarted(null), new CheckpointSaved(4, "step-4"), new TrainingEnded(From, null, null)];
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

    [Fact]
    public async Task A_silent_trainers_end_names_the_last_reported_step_and_checkpoint()
    {
        var trainer = CreateTestProbe();
        var events = FollowAsync(trainer);
        var start = await trainer.ExpectMsgAsync<StartTraining>();
        Tell(start.Observer, new CheckpointSaved(4, "step-4"));
        await SettledAsync(start.Observer);

        Sys.Stop(trainer);

        var ended = Assert.IsType<TrainingEnded>((await events)[^1]);
        Assert.Equal((From, "step-4"), (ended.Progress, ended.Checkpoint));
    }

    [Fact]
    public async Task Abandoning_returns_once_the_trainer_has_saved_and_its_last_event_has_come()
    {
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var saving = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var saved = new ManualResetEventSlim();
        IActorRef observer = ActorRefs.Nobody;
        var client = new TrainingClient(Sys, Sys.ActorOf(trainer =>
        {
            trainer.Receive<StartTraining>((start, _) =>
            {
                observer = start.Observer;
                started.SetResult();
            });
            trainer.Receive<AbandonTraining>((abandon, _) =>
            {
                saving.SetResult();
                saved.Wait(Deadline);
                observer.Tell(new TrainingEnded(From, "step-4", abandon.Reason));
            });
        }));
        var events = FollowAsync(client);
        await started.Task.WaitAsync(Deadline);

        var abandoned = client.AbandonAsync("given up", Deadline);
        await saving.Task.WaitAsync(Deadline);
        await SettledAsync(observer);
        await SettledAsync(observer);
        Assert.False(abandoned.IsCompleted);
        saved.Set();
        await abandoned;
        await Sys.Terminate();

        Assert.Equal([new TrainingEnded(From, "step-4", "given up")], await events);
    }

    [Fact]
    public async Task Where_no_run_is_under_way_abandoning_waits_for_nobody()
    {
        var client = new TrainingClient(Sys, TestActor);
        await client.AbandonAsync("given up", Deadline);
        await ExpectMsgAsync<AbandonTraining>();

        var events = FollowAsync(client);
        Tell((await ExpectMsgAsync<StartTraining>()).Observer, new TrainingEnded(From, null, null));
        await events;

        await client.AbandonAsync("given up", Deadline);
    }

    private Task<List<object>> FollowAsync(IActorRef? trainer = null, CancellationToken stop = default) =>
        FollowAsync(new TrainingClient(Sys, trainer ?? TestActor), stop);

    private static Task<List<object>> FollowAsync(TrainingClient client, CancellationToken stop = default) =>
        Task.Run(async () =>
        {
            var events = new List<object>();
            await foreach (var seen in client.TrainAsync(From, stop))
                events.Add(seen);
            return events;
        }, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(60), CancellationToken.None);
}
