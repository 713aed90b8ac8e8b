using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Decoding;

/// <summary>
/// What a decoder decodes with, whose word it takes for the next policy, and that policy on its way. Only the decoder's own
/// thread uses it.
/// </summary>
/// <param name="setup">The decoder's.</param>
/// <param name="incarnation">The decoder's.</param>
/// <param name="loaded">The version of the weights from disk.</param>
/// <param name="barrier">The process's barrier proxy.</param>
/// <param name="decoder">Told <see cref="FetchEnded"/>.</param>
/// <param name="log">The decoder's.</param>
internal sealed class PolicyFollower(
    DecoderSetup setup,
    int incarnation,
    PolicyVersion loaded,
    IActorRef barrier,
    IActorRef decoder,
    ILoggingAdapter log) : IDisposable
{
    private WeightFetch? _fetch;
    private WeightsUpdated? _lastUpdate;    // what was answered last, in case the answer was lost

    /// <summary>What it decodes with; null while that can't be trusted, as shared weights of which nobody has told it.</summary>
    public Policy? Policy { get; private set; } = setup.Weights switch
    {
        PolicySource.Loaded => new Policy(Run: 0, loaded),
        PolicySource.Fetched fetched => fetched.Intake.Held,
        _ => null,
    };

    /// <summary>Whose word counts; null while nobody trains.</summary>
    public HostId? Trainer { get; private set; }

    /// <summary>True for one whose weights never change.</summary>
    public bool IsAlone => setup.Weights is PolicySource.Loaded;

    /// <summary>Says to the trainer's barrier that it is there.</summary>
    /// <param name="serving">It serves with <see cref="Policy"/>; or else it waits to be told what to serve with.</param>
    public void Join(bool serving)
    {
        if (!IsAlone)
        {
            barrier.Tell(new JoinBarrier(
                setup.Id, incarnation, decoder, setup.Weights is PolicySource.Shared, serving ? Policy : null));
        }
    }

    /// <summary>Takes note of who trains. True when that is somebody else than before.</summary>
    public bool Follow(HostId? trainer)
    {
        if (Trainer == trainer)
            return false;
        Trainer = trainer;
        Forget();
        return trainer is not null;
    }

    /// <summary>
    /// Judges an offer: fetches it in the background, says again that it was taken, or ignores it where it is older than
    /// what is here or comes from somebody who doesn't train. True when it can be taken at once, from shared memory.
    /// </summary>
    public bool Consider(UpdateWeights update, IActorRef sender)
    {
        var policy = update.Policy;
        if (update.Trainer != Trainer || IsBefore(policy, Policy) || IsBefore(policy, _fetch?.Policy))
            return false;
        if (_fetch is { } fetch && fetch.Policy == policy)
        {
            fetch.Barrier = sender;
            return false;
        }
        if (Policy == policy && _lastUpdate?.Policy == policy)
        {
            sender.Tell(_lastUpdate);
            return false;
        }
        if (setup.Weights is not PolicySource.Fetched fetched)
            return true;
        Forget();
        if (update.Offer is { } offer)
            _fetch = WeightFetch.Start(fetched.Intake, offer, sender, decoder);
        else
            Decline(sender, policy, $"{update.Trainer} offers its weights to no other process");
        return false;
    }

    /// <summary>True when the fetch that ended is the one that is wanted, and succeeded.</summary>
    public bool IsReady(FetchEnded ended)
    {
        if (!ReferenceEquals(ended.Fetch, _fetch))
            return false;
        if (ended.Error is null)
            return true;
        Decline(ended.Fetch.Barrier, ended.Fetch.Policy, ended.Error);
        Forget();
        return false;
    }

    /// <summary>Between two steps: puts what was fetched, if anything was, into the model.</summary>
    public void Take(Policy policy)
    {
        Policy = null;
        _fetch?.Apply();
        Forget();
        Policy = policy;
    }

    /// <summary>Tells the barrier that the policy is in use.</summary>
    public void Confirm(IActorRef sender, DecoderStats stats)
    {
        if (Policy is not { } policy)
            throw new InvalidOperationException($"{setup.Id} has no policy to confirm");
        _lastUpdate = new WeightsUpdated(setup.Id, policy, stats);
        sender.Tell(_lastUpdate);
    }

    public void Dispose() => Forget();

    private void Decline(IActorRef sender, Policy policy, string reason)
    {
        log.Error("{Decoder} could not take {Policy}: {Reason}", setup.Id, policy, reason);
        sender.Tell(new WeightsNotTaken(setup.Id, incarnation, policy, reason));
    }

    private void Forget()
    {
        _fetch?.Dispose();
        _fetch = null;
    }

    private static bool IsBefore(Policy policy, Policy? other) =>
        other is { } known && known.Run == policy.Run && policy.Version.Value < known.Version.Value;
}
