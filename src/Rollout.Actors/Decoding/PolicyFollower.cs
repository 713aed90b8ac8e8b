using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Decoding;

/// <summary>
/// A decoder's policy: which one it decodes with, which trainer it follows, and the next policy while it is being fetched.
/// Used by the decoder's own thread alone.
/// </summary>
/// <param name="setup">The decoder's setup.</param>
/// <param name="incarnation">The decoder's incarnation.</param>
/// <param name="loaded">The version of the weights from disk.</param>
/// <param name="barrier">The process's barrier proxy.</param>
/// <param name="decoder">Told <see cref="FetchEnded"/>.</param>
/// <param name="log">The decoder's log.</param>
internal sealed class PolicyFollower(
    DecoderSetup setup,
    int incarnation,
    PolicyVersion loaded,
    IActorRef barrier,
    IActorRef decoder,
    ILoggingAdapter log) : IDisposable
{
    /// <summary>A decoder asks every few seconds: this often is about a minute.</summary>
    private const int WarnEvery = 12;

    private WeightFetch? _fetch;
    private int _unanswered;
    private WeightsUpdated? _lastUpdate;    // the last answer, which is given again where it was lost

    /// <summary>The policy in use; null while it is unknown, as that of shared weights before the trainer has named it.</summary>
    public Policy? Policy { get; private set; } = setup.Weights switch
    {
        PolicySource.Loaded => new Policy(Run: 0, loaded),
        PolicySource.Fetched fetched => fetched.Intake.Held,
        _ => null,
    };

    /// <summary>The trainer that this decoder follows; null while nobody trains.</summary>
    public HostId? Trainer { get; private set; }

    /// <summary>The weights come from disk and never change.</summary>
    public bool IsAlone => setup.Weights is PolicySource.Loaded;

    /// <summary>Tells the trainer's barrier that this decoder takes part.</summary>
    /// <param name="serving">It serves with <see cref="Policy"/>; otherwise it waits for a policy to serve with.</param>
    public void Join(bool serving)
    {
        if (!serving && _fetch is null && setup.Weights is PolicySource.Fetched && ++_unanswered % WarnEvery == 0)
        {
            log.Warning(
                "{Decoder} serves nobody: it waits for {Trainer} to say which weights to serve with",
                setup.Id, Trainer?.ToString() ?? "the cluster's trainer");
        }
        if (!IsAlone)
        {
            barrier.Tell(new JoinBarrier(
                setup.Id, incarnation, decoder, setup.Weights is PolicySource.Shared, serving ? Policy : null));
        }
    }

    /// <summary>Follows this trainer from now on. True when there is one, and it is another than before.</summary>
    public bool Follow(HostId? trainer)
    {
        if (Trainer == trainer)
            return false;
        Trainer = trainer;
        EndFetch();
        return trainer is not null;
    }

    /// <summary>
    /// Answers an offer: fetches it in the background, confirms it again, or ignores it where it is older than the policy in
    /// use or comes from another trainer. A fetch of the same policy goes on. True when the policy can be adopted at once,
    /// from shared memory.
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
        EndFetch();
        if (update.Offer is { } offer)
            _fetch = WeightFetch.Start(fetched.Intake, offer, sender, decoder);
        else
            Decline(sender, policy, $"{update.Trainer} offers no weights to other processes");
        return false;
    }

    /// <summary>True when the fetch that ended is the present one and succeeded. The barrier is told of one that failed.</summary>
    public bool IsReady(FetchEnded ended)
    {
        if (!ReferenceEquals(ended.Fetch, _fetch))
            return false;
        if (ended.Error is null)
            return true;
        Decline(ended.Fetch.Barrier, ended.Fetch.Policy, ended.Error);
        EndFetch();
        return false;
    }

    /// <summary>Uses this policy from now on, between two steps: copies fetched weights into the model.</summary>
    public void Adopt(Policy policy)
    {
        Policy = null;
        _fetch?.Apply();
        EndFetch();
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

    public void Dispose() => EndFetch();

    private void Decline(IActorRef sender, Policy policy, string reason)
    {
        log.Error("{Decoder} could not take {Policy}: {Reason}", setup.Id, policy, reason);
        sender.Tell(new WeightsNotTaken(setup.Id, incarnation, policy, reason));
    }

    private void EndFetch()
    {
        _fetch?.Dispose();
        _fetch = null;
    }

    private static bool IsBefore(Policy policy, Policy? other) =>
        other is { } known && known.Run == policy.Run && policy.Version.Value < known.Version.Value;
}
