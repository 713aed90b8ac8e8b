using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Placement;
using Rollout.Actors.Protocol;

namespace Rollout.Actors.Scheduling;

/// <summary>
/// Books decoders that stop, and logs each loss once, with its reason where somebody knows it. Used inside the scheduler's
/// actor alone.
/// </summary>
/// <param name="decoders">The decoders that are there.</param>
/// <param name="registry">Takes them out of the book.</param>
/// <param name="log">The scheduler's log.</param>
internal sealed class DecoderLosses(DecoderFleet decoders, DecoderRegistry registry, ILoggingAdapter log)
{
    /// <summary>Ticks that a decoder's host has to say why the decoder stopped.</summary>
    private const int ReasonTicks = 2;

    private readonly Dictionary<KnownDecoder, int> _stopped = [];        // by their actors' word: ticks since
    private readonly Dictionary<DecoderId, int> _logged = [];           // the last incarnation whose loss was logged

    /// <summary>Removes an incarnation that has ended, as its decoder's host says.</summary>
    public void Remove(DecoderLost lost) => Remove(lost, isFault: true);

    /// <summary>Removes the decoders of a host that has left or died.</summary>
    public void RemoveHost(HostId host)
    {
        foreach (var decoder in registry.Remove(host))
        {
            log.Warning(
                "{Decoder} is lost with its host: {Samples} samples continue on other decoders, after {Tokens} tokens",
                decoder.Id, decoder.OrphanedSeqs, decoder.OrphanedTokens);
        }
    }

    /// <summary>
    /// Suspends the decoder, if there is one, whose actor has stopped. Its host reports the reason, and whether the decoder
    /// comes back, in a message that may be lost: <see cref="Tick"/> waits for it for some seconds.
    /// </summary>
    public void NoteStopped(Terminated stopped)
    {
        foreach (var decoder in decoders.All.Where(known => known.Announcement.Decoder.Equals(stopped.ActorRef)).ToArray())
        {
            if (stopped.AddressTerminated)
            {
                RemoveWithoutReason(decoder, "its process can't be reached", isFault: false);
                continue;
            }
            registry.Suspend(decoder);
            _stopped[decoder] = 0;
        }
    }

    /// <summary>Removes decoders that stopped some seconds ago without a reason. To be called each second.</summary>
    public void Tick()
    {
        foreach (var (decoder, ticks) in _stopped.ToArray())
        {
            _stopped[decoder] = ticks + 1;
            if (!decoder.IsGone && ticks + 1 < ReasonTicks)
                continue;
            _stopped.Remove(decoder);
            if (!decoder.IsGone)
                RemoveWithoutReason(decoder, "it stopped", isFault: true);
        }
    }

    private void RemoveWithoutReason(KnownDecoder decoder, string reason, bool isFault) => Remove(
        new DecoderLost(decoder.Id, decoder.Announcement.Incarnation, reason, ComesBack: true, DecodersOfHost: 0), isFault);

    /// <param name="lost">The incarnation that has ended.</param>
    /// <param name="isFault">Its host is not lost: what it worked on may be to blame.</param>
    private void Remove(DecoderLost lost, bool isFault)
    {
        if (_logged.GetValueOrDefault(lost.Id) < lost.Incarnation)
        {
            _logged[lost.Id] = lost.Incarnation;
            log.Warning("{Decoder} is lost: {Reason}", lost.Id, lost.Reason);
        }
        registry.Remove(lost, isFault);
    }
}
