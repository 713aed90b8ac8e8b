using System.Numerics;
using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Placement;
using Rollout.Actors.Protocol;

namespace Rollout.Actors.Scheduling;

/// <summary>
/// The scheduler's side of the talk with decoders: what they announce and report goes into the book, and they are told their
/// commands. Used inside the scheduler's actor alone.
/// </summary>
internal sealed class DecoderDesk
{
    private readonly SchedulerEpoch _epoch;
    private readonly GroupBook _book;
    private readonly DecoderIntake _intake;
    private readonly DecoderRegistry _registry;
    private readonly ICanWatch _watch;
    private readonly ILoggingAdapter _log;

    /// <param name="epoch">The scheduler's epoch.</param>
    /// <param name="book">The scheduler's record of groups.</param>
    /// <param name="watch">The scheduler's context: it gets a <see cref="Terminated"/> for each decoder that stops.</param>
    /// <param name="log">The scheduler's log.</param>
    public DecoderDesk(SchedulerEpoch epoch, GroupBook book, ICanWatch watch, ILoggingAdapter log)
    {
        (_epoch, _book, _watch, _log) = (epoch, book, watch, log);
        _intake = new DecoderIntake(epoch, book, LogRefusedEntry);
        _registry = new DecoderRegistry(epoch, book);
        Losses = new DecoderLosses(book.Decoders, _registry, log);
    }

    /// <summary>Books decoders that stop.</summary>
    public DecoderLosses Losses { get; }

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
