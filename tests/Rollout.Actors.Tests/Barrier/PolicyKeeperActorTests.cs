using Akka.Actor;
using Akka.TestKit;
using Rollout.Actors.Barrier;
using Rollout.Actors.Client;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Barrier;

/// <summary>A policy keeper between its client and a probe for the step barrier.</summary>
public sealed class PolicyKeeperActorTests : ActorTest
{
    private static readonly Policy First = new(5, new PolicyVersion(3));

    private readonly TestProbe _barrier;
    private readonly IActorRef _keeper;
    private readonly PolicyClient _client;
    private Func<string, PolicyVersion, Task> _load = (_, _) => Task.CompletedTask;

    public PolicyKeeperActorTests()
    {
        _barrier = CreateTestProbe();
        _keeper = Sys.ActorOf(PolicyKeeperActor.Props(First, _barrier, (folder, version) => _load(folder, version)));
        _client = new PolicyClient(_keeper);
    }

    [Fact]
    public async Task A_pause_is_answered_when_all_are_parked_and_ends_with_the_same_policy()
    {
        var pausing = _client.PauseAsync(default);
        Assert.Equal(First, (await _barrier.ExpectMsgAsync<ParkAll>()).Next);
        Assert.False(pausing.IsCompleted);
        Answer(new AllParked(First));
        Assert.Equal(new PolicyState(First, IsPaused: true), await pausing);
        Assert.Equal(new PolicyState(First, IsPaused: true), await _client.PauseAsync(default));

        var resuming = _client.ResumeAsync(default);
        Assert.Equal(new UpdateAll(First, Offer: null), await _barrier.ExpectMsgAsync<UpdateAll>());
        Answer(new StepOpened(First, DecoderStats.None));
        Assert.Equal(new PolicyState(First, IsPaused: false), await resuming);
    }

    [Fact]
    public async Task Weights_are_loaded_while_all_are_parked_and_requests_meanwhile_wait()
    {
        var loaded = new TaskCompletionSource();
        var (asked, next) = ("", First with { Version = new PolicyVersion(4) });
        _load = (folder, version) =>
        {
            asked = $"{folder} {version.Value}";
            return loaded.Task;
        };
        var replacing = _client.ReplaceAsync("folder", version: null, default);
        await _barrier.ExpectMsgAsync<ParkAll>();
        Answer(new AllParked(First));
        var query = _client.QueryAsync(default);
        await SettledAsync(_keeper);
        Assert.Equal("folder 4", asked);
        Assert.False(query.IsCompleted);
        loaded.SetResult();

        Assert.Equal(next, (await _barrier.ExpectMsgAsync<UpdateAll>()).Policy);
        Answer(new StepOpened(next, DecoderStats.None));
        Assert.Equal(new PolicyState(next, IsPaused: false), await replacing);
        Assert.Equal(new PolicyState(next, IsPaused: false), await query);
    }

    [Fact]
    public async Task A_folder_that_can_not_be_loaded_leaves_the_policy_and_decoders_go_on()
    {
        _load = (_, _) => Task.FromException(new CheckpointException("no tensor norm"));
        var replacing = _client.ReplaceAsync("folder", new PolicyVersion(9), default);
        await _barrier.ExpectMsgAsync<ParkAll>();
        Answer(new AllParked(First));
        Assert.Equal(First, (await _barrier.ExpectMsgAsync<UpdateAll>()).Policy);
        Answer(new StepOpened(First, DecoderStats.None));

        Assert.Equal("no tensor norm", (await Assert.ThrowsAsync<PolicyRefusedException>(() => replacing)).Message);
        Assert.Equal(new PolicyState(First, IsPaused: false), await _client.QueryAsync(default));
    }

    [Fact]
    public async Task Broken_weights_are_decoded_with_by_nobody()
    {
        _load = (_, _) => Task.FromException(new IOException("the disk is gone"));
        var replacing = _client.ReplaceAsync("folder", version: null, default);
        await _barrier.ExpectMsgAsync<ParkAll>();
        Answer(new AllParked(First));

        Assert.Contains("the disk is gone", (await Assert.ThrowsAsync<PolicyRefusedException>(() => replacing)).Message);
        await SettledAsync(_keeper);
        Assert.False(_barrier.HasMessages);
        var resuming = await Assert.ThrowsAsync<PolicyRefusedException>(() => _client.ResumeAsync(default));
        Assert.Contains("broken", resuming.Message);

        _load = (_, _) => Task.CompletedTask;
        Assert.Equal(new PolicyState(First with { Version = new PolicyVersion(4) }, IsPaused: true), await _client.ReplaceAsync("good", null, default));
        var resumed = _client.ResumeAsync(default);
        var policy = (await _barrier.ExpectMsgAsync<UpdateAll>()).Policy;
        Answer(new StepOpened(policy, DecoderStats.None));
        Assert.Equal(4, (await resumed).Policy.Version.Value);
    }

    [Fact]
    public async Task A_version_that_is_not_newer_is_refused()
    {
        var refused = await Assert.ThrowsAsync<PolicyRefusedException>(() => _client.ReplaceAsync("folder", new PolicyVersion(3), default));
        Assert.Contains("not newer", refused.Message);
        Assert.False(_barrier.HasMessages);
    }

    [Fact]
    public async Task A_decoder_that_does_not_park_in_time_is_named()
    {
        var pausing = _client.PauseAsync(default);
        await _barrier.ExpectMsgAsync<ParkAll>();
        Answer(new BarrierFailed(First, "cuda:0 did not park"));

        Assert.Equal("cuda:0 did not park", (await Assert.ThrowsAsync<PolicyRefusedException>(() => pausing)).Message);
        Assert.Equal(new PolicyState(First, IsPaused: false), await _client.QueryAsync(default));
    }

    private void Answer(object answer) => _keeper.Tell(answer, _barrier);
}
