using System.Collections.Concurrent;
using Akka;
using Akka.Actor;
using Rollout.Actors.Decoding;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Actors.Topology;
using Rollout.Actors.Training;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Sampling;
using Xunit;

namespace Rollout.Actors.Tests.Topology;

/// <summary>One process as it runs: a real cluster of one member, everything but model, trainer, text and reward its own.</summary>
public sealed class RolloutTopologyTests : IAsyncLifetime
{
    private static readonly GroupRequest[] Requests =
        [.. Enumerable.Range(0, 20).Select(i => Groups.Of(i, 5 + i, 6, 30, 12, 1))];

    private readonly ConcurrentQueue<FakeModelRunner> _runners = new();
    private readonly CancellationTokenSource _deadline = new(TimeSpan.FromSeconds(120));
    private RolloutTopology _topology = null!;

    public async Task InitializeAsync() =>
        _topology = await RolloutTopology.StartAsync(TestSettings.Rollout, "");

    public async Task DisposeAsync()
    {
        await _topology.DisposeAsync();
        _deadline.Dispose();
    }

    [Fact]
    public async Task Groups_go_from_the_client_over_scheduler_and_decoder_back_to_the_client()
    {
        _topology.AddDecoder("cpu", NewRunner, maxModelLength: 100, new PolicySource.Loaded());

        await AssertAllComeBackAsync();
    }

    [Fact]
    public async Task More_groups_than_the_scheduler_proxy_would_buffer_all_come_back()
    {
        _topology.AddDecoder("cpu", NewRunner, maxModelLength: 100, new PolicySource.Loaded());
        var requests = Enumerable.Range(0, 3000).Select(i => Groups.Of(i, 2, 1));

        var back = 0;
        await foreach (var outcome in _topology.Client.GenerateAsync(requests, cancellation: _deadline.Token))
            back += outcome is GroupFinished ? 1 : 0;

        Assert.Equal(3000, back);
    }

    [Fact]
    public async Task Two_decoders_share_the_work_and_give_the_same_tokens()
    {
        _topology.AddDecoder("cuda:0", NewRunner, maxModelLength: 100, new PolicySource.Loaded());
        _topology.AddDecoder("cuda:1", NewRunner, maxModelLength: 100, new PolicySource.Loaded());

        await AssertAllComeBackAsync();

        Assert.All(_runners, runner => Assert.True(runner.Steps > 0));
    }

    [Fact]
    public async Task A_device_that_fails_in_the_middle_loses_nothing_and_changes_no_token()
    {
        _topology.AddDecoder("cpu", () =>
        {
            var runner = NewRunner();
            var faultAt = _runners.Count * 7;
            if (_runners.Count <= TestSettings.Rollout.Decoder.MaxRestarts)
            {
                runner.BeforeStep = (step, _) =>
                {
                    if (step == faultAt)
                        throw new DeviceFaultException("an illegal memory access");
                };
            }
            return runner;
        }, maxModelLength: 100, new PolicySource.Loaded());

        await AssertAllComeBackAsync();

        Assert.Equal(1 + TestSettings.Rollout.Decoder.MaxRestarts, _runners.Count);
    }

    [Fact]
    public async Task A_model_that_can_not_be_loaded_fails_every_group_with_its_words()
    {
        _topology.AddDecoder(
            "cpu", () => throw new InvalidDataException("model.safetensors has no lm_head.weight"),
            maxModelLength: 100,
            new PolicySource.Loaded());

        await foreach (var outcome in _topology.Client.GenerateAsync(Requests, cancellation: _deadline.Token))
            Assert.Contains("no lm_head.weight", Assert.IsType<GroupFailed>(outcome).Reason);
    }

    [Fact]
    public async Task A_run_trains_its_steps_on_rollouts_of_the_policy_before_each()
    {
        _topology.AddDecoder("cpu", NewRunner, maxModelLength: 100, new PolicySource.Shared());
        var trainer = new FakePolicyTrainer();

        var events = await TrainAsync(trainer, steps: 3, checkpointEvery: 2);

        Assert.Equal(
            new TrainingEnded(new TrainingProgress(3, 12, 7), "step-3", null), Assert.IsType<TrainingEnded>(events[^1]));
        Assert.Equal(["step-2", "step-3"], trainer.Saved.Select(saved => saved.Folder));
        var steps = events.OfType<TrainingStepFinished>().ToArray();
        Assert.Equal([1, 2, 3], steps.Select(step => step.Step));
        foreach (var step in steps)
        {
            Assert.Equal((0, 4), (step.FailedGroups, step.Groups.Count));
            Assert.NotNull(step.Evaluation);
            Assert.True(step.Decode.NewTokens >= step.Groups.Sum(group => group.Group.Completions.Sum(
                completion => completion.Tokens.Length)));
            foreach (var group in step.Groups)
            {
                var request = new GroupRequest(
                    group.Group.Id,
                    group.Prompt,
                    [.. Enumerable.Repeat(new SamplingParams { MaxTokens = 12, Seed = 7, StopTokenIds = [13] }, 3)]);
                Groups.AssertExpected(
                    request, group.Group.Completions, SamplingRng.SequenceKey, new PolicyVersion(step.Step - 1));
                Assert.Equal(
                    group.Group.Completions.Select(completion => (double)completion.Tokens.Length), group.Rewards);
            }
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_process_that_ends_during_a_run_finishes_its_training_step_and_saves(bool isGivenUp)
    {
        _topology.AddDecoder("cpu", NewRunner, maxModelLength: 100, new PolicySource.Shared());
        var ending = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var training = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var trained = new ManualResetEventSlim();
        var trainer = new FakePolicyTrainer
        {
            BeforeTrain = batch =>
            {
                if (batch.Groups[0].Id.Value != 4)
                    return;     // the second step is the one with the fifth prompt
                training.SetResult();
                trained.Wait(_deadline.Token);
            },
        };
        CoordinatedShutdown.Get(_topology.System).AddTask(CoordinatedShutdown.PhaseBeforeServiceUnbind, "ending", () =>
        {
            ending.SetResult();
            return Task.FromResult(Done.Instance);
        });
        var run = TrainAsync(trainer, steps: 5, checkpointEvery: 0);
        await training.Task.WaitAsync(_deadline.Token);

        var ended = isGivenUp ? GiveUpAsync() : _topology.DisposeAsync().AsTask();
        await ending.Task.WaitAsync(_deadline.Token);
        trained.Set();

        var events = await run;
        Assert.Equal([1, 2], events.OfType<TrainingStepFinished>().Select(step => step.Step));
        Assert.Equal(new CheckpointSaved(2, "step-2"), Assert.Single(events.OfType<CheckpointSaved>()));
        Assert.Equal(("step-2", 2), (trainer.Saved[^1].Folder, trainer.Saved[^1].Progress.Step));
        var last = Assert.IsType<TrainingEnded>(events[^1]);
        Assert.Equal(("step-2", 2), (last.Checkpoint, last.Progress.Step));
        await ended;
        Assert.True(trainer.IsDisposed);
        Assert.Equal(isGivenUp, _topology.WhyEnded()?.StartsWith("the cluster gave up ", StringComparison.Ordinal) ?? false);
    }

    [Fact]
    public async Task Disposing_leaves_no_actor_system_and_no_runner_behind()
    {
        _topology.AddDecoder("cpu", NewRunner, maxModelLength: 100, new PolicySource.Loaded());
        await AssertAllComeBackAsync();

        await _topology.DisposeAsync();

        Assert.True(_topology.System.WhenTerminated.IsCompletedSuccessfully);
        Assert.All(_runners, runner => Assert.True(runner.IsDisposed));
        await _topology.DisposeAsync();     // and again, as nothing
    }

    /// <summary>The events of a run of 4 prompts a step, evaluated after each.</summary>
    private async Task<List<object>> TrainAsync(FakePolicyTrainer trainer, int steps, int checkpointEvery)
    {
        var training = _topology.AddTrainer(
            new TrainingJob
            {
                Train = TestSettings.Train with { Steps = steps, PromptsPerStep = 4, NumGenerations = 3 },
                Eval = TestSettings.Eval with { Every = 1 },
                Sampling = new SamplingParams { MaxTokens = 12, Seed = 7, StopTokenIds = [13] },
                Tokenizer = new FakeTokenizer(),
                Dataset = new Prompts(heldOut: 5),
                CheckpointEvery = checkpointEvery,
                CheckpointFolder = step => $"step-{step}",
            },
            default,
            () => trainer,
            new FakeTokenizer(),
            FakeReward.Only((sample, _) => new(sample.Tokens.Length)));

        var events = new List<object>();
        await foreach (var seen in training.TrainAsync(new TrainingProgress(0, 0, 7)).WithCancellation(_deadline.Token))
            events.Add(seen);
        return events;
    }

    /// <summary>As the cluster does with one that it could not reach for too long.</summary>
    private Task GiveUpAsync()
    {
        var cluster = Akka.Cluster.Cluster.Get(_topology.System);
        cluster.Down(cluster.SelfAddress);
        return _topology.System.WhenTerminated;
    }

    private async Task AssertAllComeBackAsync()
    {
        var seen = new HashSet<GroupId>();
        await foreach (var outcome in _topology.Client.GenerateAsync(
            Requests, window: 8, cancellation: _deadline.Token))
        {
            Assert.True(seen.Add(outcome.Id), $"{outcome.Id} came twice");
            Groups.AssertExpected(
                Requests.Single(request => request.Id == outcome.Id),
                Assert.IsType<GroupFinished>(outcome).Completions,
                SamplingRng.SequenceKey);
        }
        Assert.Equal(Requests.Length, seen.Count);
    }

    private FakeModelRunner NewRunner()
    {
        var runner = new FakeModelRunner(new KvCacheGeometry(BlockCount: 80, BlockSize: 4));
        _runners.Enqueue(runner);
        return runner;
    }
}
