using Akka.Actor;
using Rollout.Actors.Protocol;

namespace Rollout.Actors.Tests.Scheduling;

/// <summary>
/// The network between one decoder and the scheduler: loses a tenth of what they say, doubles a tenth, and lets a tenth
/// wait for what comes after it.
/// </summary>
internal sealed class LossyRelay : ReceiveActor
{
    private readonly Random _random;
    private IActorRef _decoder = ActorRefs.Nobody;
    private (IActorRef To, object Message)? _kept;

    public LossyRelay(IActorRef seat, int seed)
    {
        _random = new Random(seed);
        var scheduler = seat;
        Receive<DecoderHere>(here =>
        {
            _decoder = here.Decoder;
            Pass(seat, here with { Decoder = Self });
        });
        Receive<DecoderReport>(report => Pass(scheduler, report));
        Receive<SchedulerHere>(here =>
        {
            scheduler = Sender;
            Pass(_decoder, here);
        });
        Receive<IDecoderMessage>(message => Pass(_decoder, message));
        ReceiveAny(seat.Forward);
    }

    private void Pass(IActorRef to, object message)
    {
        var fate = _random.Next(10);
        if (fate == 0)
            return;
        var before = _kept;
        _kept = fate == 2 ? (to, message) : null;
        if (fate != 2)
            to.Tell(message);
        if (fate == 1)
            to.Tell(message);
        before?.To.Tell(before.Value.Message);
    }
}
