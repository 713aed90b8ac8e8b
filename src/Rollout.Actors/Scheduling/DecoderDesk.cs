using System.Numerics;
using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Placement;
using Rollout.Actors.Protocol;

namespace Rollout.Actors.Scheduling;

/// <summary>
/// The scheduler's side of the talk with decoders: what they announce and report goes into the book, they are told their
/// commands, and each loss is noticed and logged once. Used inside the scheduler's actor alone.
/// </summary>
internal sealed class DecoderDesk
{
    /// <summary>Ticks that a decoder's host has to say why the decoder stopped.</summary>
    private const int ReasonTicks = 2;

    private readonly SchedulerEpoch _epoch;
    private readonly GroupBook _book;
    private readonly DecoderIntake _intake;
    private readonly DecoderRegistry _registry;
    private readonly ICanWatch _watch;
    private readonly ILoggingAdapter _log;
    private readonly Dictionary<KnownDecoder, int> _stopped = [];        // by their actors' word: ticks since
    private readonly Dictionary<DecoderId, int> _logged = [];           // the last incarnation whose loss was logged

    /// <param name="epoch">The scheduler's.</param>
    /// <param name="book">Who works on what.</param>
    /// <param name="watch">The scheduler's context: it gets a <see cref="Terminated"/> for each decoder that stops.</param>
    /// <param name="log">The scheduler's.</param>
    public DecoderDesk(SchedulerEpoch epoch, GroupBook book, ICanWatch watch, ILoggingAdapter log)
    {
        (_epoch, _book, _watch, _log) = (epoch, book, watch, log);
        _intake = new DecoderIntake(epoch, book, LogRefusedEntry);
        _registry = new DecoderRegistry(epoch, book);
    }

    /// <summary>Registers a decoder that announces itself. Returns it if it is accepted.</summary>
    public KnownDecoder? Register(DecoderHere here, TimeSpan reportEvery)
    {
        var isNew = _book.Decoders.Find(here.Id)?.Announcement.Incarnation != here.Incarnation;
        var decoder = _registry.Register(here, out var refusal);
        if (refusal is not null)
        {
            _log.Warning("{Refusal}", refusal);
            here.Decoder.Tell(new DecoderRefused(_epoch, here.Id, refusal));
        }
        if (decoder is null)
            return null;
        if (isNew)
        {
            _watch.Watch(here.Decoder);
            _log.Info("{Decoder} takes up to {MaxNumSeqs} sequences", here.Id, here.Capacity.MaxNumSeqs);
        }
        here.Decoder.Tell(new SchedulerHere(_epoch, reportEvery));
        return decoder;
    }

    /// <summary>Books a report. Returns the decoder if the report counts.</summary>
    public KnownDecoder? AcceptReport(DecoderReport report)
    {
        var decoder = _intake.AcceptReport(report);
        decoder?.Announcement.Decoder.Tell(new ReportTaken(_epoch, report.Number));
        return decoder;
    }

    /// <summary>Removes an incarnation that has ended, as its decoder's host says.</summary>
    public void RemoveDecoder(DecoderLost lost) => RemoveDecoder(lost, isFault: true);

    /// <summary>Removes the decoders of a host that has left or died.</summary>
    public void RemoveHost(HostId host)
    {
        foreach (var decoder in _registry.Remove(host))
        {
            _log.Warning(
                "{Decoder} is lost with its host: {Samples} samples continue on other decoders, after {Tokens} tokens",
                decoder.Id, decoder.OrphanedSeqs, decoder.OrphanedTokens);
        }
    }

    /// <summary>
    /// An actor has stopped that may be a decoder's. The decoder's host says so too, with the reason and whether the decoder
    /// comes back: that is waited for, but it is said once, and may be lost.
    /// </summary>
    public void NoteStopped(Terminated stopped)
    {
        var decoders = _book.Decoders.All.Where(decoder => decoder.Announcement.Decoder.Equals(stopped.ActorRef)).ToArray();
        foreach (var decoder in decoders)
        {
            if (stopped.AddressTerminated)
            {
                RemoveWithoutReason(decoder, "its process can't be reached", isFault: false);
                continue;
            }
            _registry.Suspend(decoder);
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

    /// <summary>Sends commands to decoders that have new ones.</summary>
    public void SendAll(TimeSpan now)
    {
        foreach (var decoder in _book.Decoders.TakeToTell())
            Send(decoder, now);
    }

    /// <summary>Sends a decoder its new commands, and again those that it has not answered for too long.</summary>
    public static void Send(KnownDecoder decoder, TimeSpan now)
    {
        foreach (var command in decoder.Commands.TakeSendable(now))
            decoder.Announcement.Decoder.Tell(command);
    }

    private void RemoveWithoutReason(KnownDecoder decoder, string reason, bool isFault) => RemoveDecoder(
        new DecoderLost(decoder.Id, decoder.Announcement.Incarnation, reason, ComesBack: true, DecodersOfHost: 0), isFault);

    /// <param name="lost">The incarnation that has ended.</param>
    /// <param name="isFault">Its host is not lost: what it worked on may be to blame.</param>
    private void RemoveDecoder(DecoderLost lost, bool isFault)
    {
        if (_logged.GetValueOrDefault(lost.Id) < lost.Incarnation)
        {
            _logged[lost.Id] = lost.Incarnation;
            _log.Warning("{Decoder} is lost: {Reason}", lost.Id, lost.Reason);
        }
        _registry.Remove(lost, isFault);
    }

    /// <summary>Logs the 1st, 2nd, 4th, 8th… bad entry, so that a faulty decoder doesn't fill the log.</summary>
    private void LogRefusedEntry(KnownDecoder decoder, string reason)
    {
        if (BitOperations.IsPow2(++decoder.RefusedEntries))
        {
            _log.Warning(
                "{Count} report entries of {Decoder} were refused so far; in the last one, {Reason}",
                decoder.RefusedEntries, decoder.Id, reason);
        }
    }
}
