using System.Threading.Channels;
using Akka.Actor;
using Rollout.Actors.Protocol;

namespace Rollout.Actors.Client;

/// <summary>
/// One enumeration of a <see cref="RolloutClient"/>: reads groups from the source while the window has room, submits them,
/// and writes each outcome to a channel. Outcomes that nobody has read count towards the window, so a slow reader holds back
/// what is submitted.
/// </summary>
internal sealed class ClientSession : ReceiveActor, IWithTimers
{
    private readonly IEnumerator<GroupRequest> _source;
    private readonly int _window;
    private readonly Submitter _submitter;
    private readonly ChannelWriter<GroupOutcome> _outcomes;
    private bool _isSourceRead;

    public ClientSession(
        IEnumerator<GroupRequest> groups, int window, Submitter submitter, ChannelWriter<GroupOutcome> outcomes)
    {
        (_source, _window, _submitter, _outcomes) = (groups, window, submitter, outcomes);
        Receive<IClientMessage>(message =>
        {
            if (_submitter.Receive(message) is { } outcome)
                _outcomes.TryWrite(outcome);
            FillWindow();
        });
        Receive<OutcomeRead>(read =>
        {
            _submitter.Acknowledge(read.Outcome);
            FillWindow();
        });
        Receive<Submitter.Tick>(_ =>
        {
            _submitter.AskAgain();
            FillWindow();
        });
    }

    /// <param name="groups">Read and disposed of by the session alone.</param>
    /// <param name="window">The most groups without an outcome, or with one that was not read.</param>
    /// <param name="submitter">Used by the session alone.</param>
    /// <param name="outcomes">Gets each group's outcome; completed at the end, with a fault where groups have none.</param>
    public static Props Props(
        IEnumerator<GroupRequest> groups, int window, Submitter submitter, ChannelWriter<GroupOutcome> outcomes) =>
        Akka.Actor.Props.Create(() => new ClientSession(groups, window, submitter, outcomes));

    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>Every group has its outcome.</summary>
    private bool IsOver => _isSourceRead && _submitter.Count == 0;

    protected override void PreStart()
    {
        _submitter.Start(Timers);
        FillWindow();
    }

    protected override void PostStop()
    {
        _source.Dispose();
        _submitter.Close();
        // An enumeration that just ended would look complete.
        _outcomes.TryComplete(IsOver ? null : new InvalidOperationException(
            $"the actor system stopped before the end: {_submitter.Count} groups were not answered"));
    }

    private void FillWindow()
    {
        try
        {
            while (!_isSourceRead && _submitter.Outstanding < _window)
            {
                if (!_source.MoveNext())
                    _isSourceRead = true;
                else if (_submitter.Submit(_source.Current) is { } refused)
                    _outcomes.TryWrite(refused);
            }
        }
        catch (Exception fault)
        {
            // The source's fault, or an id that comes twice: the caller's to see.
            _outcomes.TryComplete(fault);
            Context.Stop(Self);
        }
        if (_isSourceRead && _submitter.Outstanding == 0)
            Context.Stop(Self);
    }

    /// <summary>From the client: the caller has read this outcome.</summary>
    public sealed record OutcomeRead(GroupOutcome Outcome);
}
