using System.Threading.Channels;
using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Client;

/// <summary>
/// A few groups of a <see cref="RolloutClient"/> whose samples are followed while they grow. Ends when every group has
/// finished, or with the first that failed. Stopping it cancels what is on its way.
/// </summary>
internal sealed class StreamSession : ReceiveActor, IWithTimers
{
    private readonly IReadOnlyList<GroupRequest> _groups;
    private readonly Submitter _submitter;
    private readonly ChannelWriter<SampleNews> _news;
    private readonly Dictionary<GroupId, StreamedGroup> _seen;

    public StreamSession(IReadOnlyList<GroupRequest> groups, Submitter submitter, ChannelWriter<SampleNews> news)
    {
        (_groups, _submitter, _news) = (groups, submitter, news);
        _seen = groups.ToDictionary(group => group.Id, group => new StreamedGroup(group.Id, group.Samples.Length));
        Receive<SamplesGrew>(grew =>
        {
            if (_seen.GetValueOrDefault(grew.Id with { Client = 0 }) is { } group)
                Write(grew.Samples.Select(group.Take).OfType<SampleNews>());
            Follow(grew);
        });
        Receive<IClientMessage>(Follow);
        Receive<Submitter.Tick>(_ => _submitter.AskAgain());
    }

    /// <param name="groups">At least one, with different ids whose client is 0.</param>
    /// <param name="submitter">Used by the session alone.</param>
    /// <param name="news">Gets all tokens of all samples; completed at the end, with a fault where a group failed.</param>
    public static Props Props(IReadOnlyList<GroupRequest> groups, Submitter submitter, ChannelWriter<SampleNews> news) =>
        Akka.Actor.Props.Create(() => new StreamSession(groups, submitter, news));

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart()
    {
        _submitter.Start(Timers);
        foreach (var group in _groups)
        {
            if (_submitter.Submit(group) is not { } refused)
                continue;
            End(refused);
            break;
        }
    }

    protected override void PostStop()
    {
        _submitter.Close();
        _news.TryComplete(new GroupFailedException("the actor system stopped before the end"));
    }

    private void Follow(IClientMessage message)
    {
        if (_submitter.Receive(message) is { } outcome)
            End(outcome);
    }

    private void End(GroupOutcome outcome)
    {
        _submitter.Acknowledge(outcome);
        if (outcome is GroupFailed failed)
            _news.TryComplete(new GroupFailedException(failed.Reason));
        else
            Write(_seen[outcome.Id].TakeRest((GroupFinished)outcome));
        if (outcome is GroupFinished && _submitter.Outstanding > 0)
            return;
        _news.TryComplete();
        Context.Stop(Self);
    }

    private void Write(IEnumerable<SampleNews> news)
    {
        foreach (var one in news)
            _news.TryWrite(one);
    }
}
