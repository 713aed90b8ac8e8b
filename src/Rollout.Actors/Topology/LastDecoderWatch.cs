using Akka.Actor;
using Rollout.Actors.Protocol;

namespace Rollout.Actors.Topology;

/// <summary>
/// Tells a process when its last decoder is gone: the cluster refused it, or it failed so often that it isn't started any
/// more. Listens to the event stream, where decoders and their supervisors publish that.
/// </summary>
public sealed class LastDecoderWatch : ReceiveActor
{
    private readonly HashSet<DecoderId> _decoders = [];

    /// <param name="none">Told the reason, as a sentence, when the last decoder is gone.</param>
    public LastDecoderWatch(Action<string> none)
    {
        Receive<DecoderId>(id => _decoders.Add(id));
        Receive<DecoderRefused>(refused => none(refused.Reason));
        Receive<DecoderLost>(lost =>
        {
            if (!lost.ComesBack && _decoders.Remove(lost.Id) && _decoders.Count == 0)
                none($"{lost.Id} can't be started any more: {lost.Reason}");
        });
    }

    /// <summary>The actor is told the <see cref="DecoderId"/> of each decoder before it is started.</summary>
    /// <param name="none">See the constructor.</param>
    public static Props Props(Action<string> none) => Akka.Actor.Props.Create(() => new LastDecoderWatch(none));

    protected override void PreStart()
    {
        Context.System.EventStream.Subscribe(Self, typeof(DecoderRefused));
        Context.System.EventStream.Subscribe(Self, typeof(DecoderLost));
    }

    protected override void PostStop() => Context.System.EventStream.Unsubscribe(Self);
}
