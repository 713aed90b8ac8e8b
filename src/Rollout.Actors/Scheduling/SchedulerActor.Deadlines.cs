using System.Diagnostics.CodeAnalysis;
using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Placement;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;

namespace Rollout.Actors.Scheduling;

// What a scheduler does by the clock: it takes over from the one before it, and fails what nobody will finish.
public sealed partial class SchedulerActor
{
    /// <summary>How long a new scheduler waits for decoders to say what they hold before it gives out work.</summary>
    private static readonly TimeSpan TakeoverTime = TimeSpan.FromSeconds(5);

    /// <summary>Begins with an empty book, under an epoch of its own.</summary>
    [MemberNotNull(nameof(_book), nameof(_clients), nameof(_decoders))]
    private void StartEpoch()
    {
        _epoch = _epochs.Next();
        _started = _time.GetTimestamp();
        _book = new GroupBook(_epoch, _settings, () => Now, knowsHosts: _membership is null);
        _clients = new ClientDesk(_epoch, _book, Context);
        _decoders = new DecoderDesk(_epoch, _book, Context, _log);
        if (_membership is null)
            return;
        _book.Pause();
        _membership.Tell(new WatchHosts(ClusterRoles.Decoder));
    }

    /// <summary>
    /// A sender that has followed a higher epoch ignores this scheduler, though by membership this one comes later: its
    /// clock is behind the earlier one's. It starts over above that epoch.
    /// </summary>
    private void StartOverIfBehind(SchedulerEpoch seen)
    {
        if (seen.Value <= _epoch.Value)
            return;
        _epochs.Hear(seen);
        var before = _epoch;
        StartEpoch();
        _log.Info("{Before} has a clock that is behind that of {Seen}: it starts over as {Epoch}", before, seen, _epoch);
    }

    /// <summary>Fails groups for which no decoder will come, or none that can run them.</summary>
    private void FailWhatNobodyWillRun()
    {
        if (_book.Decoders.Count == 0 && Roster.NobodyLeft is { } reason)
            _book.FailAll(reason);
        if (_book.AnyTooLong && !Roster.MayBringMore)
            _book.FailUnfit();
    }

    private void LookAtTheClock()
    {
        ResumeIfAllReported();
        _decoders.Losses.Tick();
        var overdue = _book.TakeOverdue();
        _clients.AskAfter(overdue.Where(group => group.Outcome is not null));
        foreach (var group in overdue.Where(group => group.Outcome is null))
            _book.Fail(group.Id, $"no token was sampled for {_settings.GroupTimeout}, on {DecodersOf(group)}");
        _clients.DropLate();
        _book.FailStranded(Now);
        FailWhatNobodyWillRun();
    }

    private static string DecodersOf(RolloutGroup group) => string.Join(
        " and ", group.Slots.Where(slot => slot.Decoder is not null).Select(slot => slot.Decoder!.Id).Distinct());

    /// <summary>A new scheduler gives out work once all decoders have said what they hold, or have had time to.</summary>
    private void ResumeIfAllReported()
    {
        if (_book.IsPaused && (Now > TakeoverTime
            || (Roster.AllHeard && _book.Decoders.All.All(decoder => decoder.HasReported))))
        {
            _book.Resume();
        }
    }
}
