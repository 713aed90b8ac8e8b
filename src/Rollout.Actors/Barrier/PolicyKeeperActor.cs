using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Barrier;

/// <summary>
/// Pauses the decoders of its process and replaces the weights that they share, by way of the step barrier.
/// Open -(PauseDecoding)-> Parking -> Paused -(ResumeDecoding)-> Updating -> Open; weights are loaded while all are parked.
/// </summary>
public sealed class PolicyKeeperActor : ReceiveActor, IWithStash
{
    private readonly IActorRef _barrier;
    private readonly Func<string, PolicyVersion, Task> _load;
    private Policy _policy;
    private string? _whyBroken;     // why nobody may decode with the weights; null while they are whole

    /// <param name="policy">The weights at the start.</param>
    /// <param name="barrier">The step barrier that decoders join.</param>
    /// <param name="load">
    /// Loads a folder's weights into the shared memory. A <see cref="CheckpointException"/> says that it has changed nothing.
    /// </param>
    public PolicyKeeperActor(Policy policy, IActorRef barrier, Func<string, PolicyVersion, Task> load)
    {
        (_policy, _barrier, _load) = (policy, barrier, load);
        Open();
    }

    /// <inheritdoc cref="PolicyKeeperActor(Policy, IActorRef, Func{string, PolicyVersion, Task})"/>
    public static Props Props(Policy policy, IActorRef barrier, Func<string, PolicyVersion, Task> load) =>
        Akka.Actor.Props.Create(() => new PolicyKeeperActor(policy, barrier, load));

    public IStash Stash { get; set; } = null!;

    private void Open()
    {
        Receive<PauseDecoding>(_ =>
        {
            var client = Sender;
            Park(client, () => Pause(client));
        });
        Receive<ReplaceWeights>(IsNewer, replace =>
        {
            var client = Sender;
            Park(client, () => Load(replace, client, resumes: true));
        });
        Receive<ReplaceWeights>(Refuse);
        Receive<IPolicyKeeperMessage>(_ => Sender.Tell(new PolicyState(_policy, IsPaused: false)));
        Receive<BarrierWaits>(_ => { });
    }

    private void Parking(IActorRef client, Action then)
    {
        Receive<AllParked>(_ => then());
        Receive<BarrierFailed>(failed => Reopen(client, new PolicyRefused(failed.Reason)));
        Later();
    }

    private void Paused()
    {
        Receive<ResumeDecoding>(_ => _whyBroken is null, _ => Update(Sender, why: null));
        Receive<ResumeDecoding>(_ => Sender.Tell(new PolicyRefused(_whyBroken!)));
        Receive<ReplaceWeights>(IsNewer, replace => Load(replace, Sender, resumes: false));
        Receive<ReplaceWeights>(Refuse);
        Receive<IPolicyKeeperMessage>(_ => Sender.Tell(new PolicyState(_policy, IsPaused: true)));
    }

    private void Loading(PolicyVersion version, IActorRef client, bool resumes)
    {
        Receive<Loaded>(_ =>
        {
            (_policy, _whyBroken) = (_policy with { Version = version }, null);
            if (resumes)
                Update(client, why: null);
            else
                Pause(client);
        });
        Receive<Status.Failure>(failure =>
        {
            if (failure.Cause is not CheckpointException)
                _whyBroken = $"the weights are broken, and decoding is paused until others are loaded: {failure.Cause.Message}";
            if (resumes && _whyBroken is null)
                Update(client, failure.Cause.Message);
            else
                Pause(client, _whyBroken ?? failure.Cause.Message);
        });
        Later();
    }

    private void Updating(IActorRef client, string? why)
    {
        Receive<StepOpened>(_ => Reopen(client, why is null ? new PolicyState(_policy, IsPaused: false) : new PolicyRefused(why)));
        Receive<BarrierFailed>(failed => Reopen(client, new PolicyRefused(failed.Reason)));
        Later();
    }

    private bool IsNewer(ReplaceWeights replace) => VersionOf(replace).Value > _policy.Version.Value;

    private PolicyVersion VersionOf(ReplaceWeights replace) => replace.Version ?? _policy.Version.Next();

    private void Refuse(ReplaceWeights replace) => Sender.Tell(new PolicyRefused(
        $"{replace.Version} is not newer than {_policy.Version}, the version of the present weights"));

    private void Park(IActorRef client, Action then)
    {
        _barrier.Tell(new ParkAll(_policy));
        Become(() => Parking(client, then));
    }

    private void Pause(IActorRef client, string? why = null)
    {
        client.Tell(why is null ? new PolicyState(_policy, IsPaused: true) : new PolicyRefused(why));
        Become(Paused);
        Stash.UnstashAll();
    }

    private void Load(ReplaceWeights replace, IActorRef client, bool resumes)
    {
        var version = VersionOf(replace);
        _load(replace.Folder, version).PipeTo(Self, success: () => new Loaded());
        Become(() => Loading(version, client, resumes));
    }

    private void Update(IActorRef client, string? why)
    {
        _barrier.Tell(new UpdateAll(_policy, Offer: null));
        Become(() => Updating(client, why));
    }

    private void Reopen(IActorRef client, object answer)
    {
        client.Tell(answer);
        Become(Open);
        Stash.UnstashAll();
    }

    private void Later()
    {
        Receive<BarrierWaits>(_ => { });
        Receive<IPolicyKeeperMessage>(_ => Stash.Stash());
    }

    private sealed record Loaded;
}
