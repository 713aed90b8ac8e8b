using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Decoding;

// How a decoder gets its first policy and changes to the next one.
public sealed partial class DecoderActor
{
    /// <summary>Before it serves, a decoder asks whether there is a trainer, which then says what to decode with.</summary>
    private void Joining()
    {
        Receive<TrainerIs>(said =>
        {
            if (_follower.Follow(said.Trainer))
                _follower.Join(serving: false);
            else if (said.Trainer is null && _follower.Policy is not null)
                Serve();
        });
        ReceivePolicies();
        Receive<Announce>(_ => _follower.Join(serving: false));
        ReceiveFromScheduler(() => { });
        Later();
    }

    /// <summary>A policy is loaded between two steps; its weights are fetched while steps run.</summary>
    private void ReceivePolicies()
    {
        Receive<UpdateWeights>(update =>
        {
            var barrier = Sender;
            if (_follower.Consider(update, barrier))
                FinishStepThen(() => SwapWeights(update.Policy, barrier));
        });
        Receive<FetchEnded>(ended =>
        {
            if (_follower.IsReady(ended))
                FinishStepThen(() => SwapWeights(ended.Fetch.Policy, ended.Fetch.Barrier));
        });
    }

    /// <summary>
    /// Between two steps: loads new weights and drops everything computed with the old ones. Samples that require the
    /// old ones are handed back.
    /// </summary>
    private void SwapWeights(Policy policy, IActorRef barrier)
    {
        _link.UsePolicy(policy);
        _follower.Adopt(policy);
        _engine.SwapPolicy(policy);
        _allocator.Tell(new ResetPrefixCache(policy.Version));
        Become(() => Resetting(policy, barrier));
    }

    /// <summary>Runs the step whose blocks were asked for, and none after it.</summary>
    private void FinishingStep(Action then)
    {
        Receive<BlocksReserved>(reserved =>
        {
            RunStep(reserved.Grant, reserveAhead: false);
            then();
        });
        ReceiveFromScheduler(() => { });
        Later();
    }

    private void FinishStepThen(Action then)
    {
        if (_engine.IsDemandOut)
            Become(() => FinishingStep(then));
        else
            then();
    }

    private void EnterParked(Policy until, IActorRef barrier)
    {
        _engine.Sleep();
        barrier.Tell(new Parked(_setup.Id, until));
        Become(() => ParkedUntil(until));
    }

    private void ParkedUntil(Policy next)
    {
        Receive<UpdateWeights>(
            update => update.Trainer == _follower.Trainer && update.Policy.Run == next.Run
                && update.Policy.Version.Value >= next.Version.Value,
            update => SwapWeights(update.Policy, Sender));
        Receive<Park>(park => Sender.Tell(new Parked(_setup.Id, park.Until)));
        ReceiveFromScheduler(() => { });
        Later();
    }

    private void Resetting(Policy policy, IActorRef barrier)
    {
        Receive<PrefixCacheReset>(reset => reset.Version == policy.Version, _ =>
        {
            _follower.Confirm(barrier, _engine.ReadStats(reset: true));
            Serve();
        });
        ReceiveFromScheduler(() => { });
        Later();
    }

    /// <summary>Leaves all other messages for the next state that serves.</summary>
    private void Later()
    {
        Receive<Announce>(_ => { });
        ReceiveAny(_ => Stash.Stash());
    }
}
