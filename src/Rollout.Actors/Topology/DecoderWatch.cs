using Akka.Actor;
using Rollout.Actors.Protocol;

namespace Rollout.Actors.Topology;

/// <summary>
/// Hears on the event stream what becomes of this process's decoders, and says when none is left: refused by the
/// cluster, or failed so often that it isn't started any more.
/// </summary>
public sealed class DecoderWatch : ReceiveActor
{
    private readonly HashSet<DecoderId> _here = [];

    /// <param name="none">Told the reason, as a sentence, when the last decoder is gone.</param>
    public DecoderWatch(Action<string> none)
    {
        Receive<DecoderId>(id => _here.Add(id));
        Receive<DecoderRefused>(refused => none(refused.Reason));
        Receive<DecoderLost>(lost =>
        {
            if (!lost.ComesBack && _here.Remove(lost.Id) && _here.Count == 0)
                none($"{lost.Id} can't be started any more: {lost.Reason}");
        });
    }

    /// <summary>Told the <see cref="DecoderId"/> of each decoder that is started.</summary>
    /// <param name="none">See the constructor.</param>
    public static Props Props(Action<string> none) => Akka.Actor.Props.Create(() => new DecoderWatch(none));

    protected override void PreStart()
    {
        Context.System.EventStream.Subscribe(Self, typeof(DecoderRefused));
        Context.System.EventStream.Subscribe(Self, typeof(DecoderLost));
    }

    protected override void PostStop() => Context.System.EventStream.Unsubscribe(Self);
}
