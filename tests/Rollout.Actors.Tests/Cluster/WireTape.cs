using System.Collections.Concurrent;
using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Actors.Topology;

namespace Rollout.Actors.Tests.Cluster;

/// <summary>What a member with a <see cref="WireTap"/> hears from others, in order, from the time of its creation on.</summary>
internal sealed class WireTape
{
    private readonly ConcurrentQueue<object> _heard = new();

    /// <param name="member">The member.</param>
    /// <param name="hear">Called with each message as it comes.</param>
    public WireTape(RolloutTopology member, Action<object>? hear = null)
    {
        Action<object> record = message =>
        {
            _heard.Enqueue(message);
            hear?.Invoke(message);
        };
        var recorder = member.System.ActorOf(Props.Create(() => new Recorder(record)));
        member.System.EventStream.Subscribe(recorder, typeof(IWireMessage));
    }

    public IEnumerable<T> Of<T>() => _heard.OfType<T>();

    private sealed class Recorder : ReceiveActor
    {
        public Recorder(Action<object> hear) => ReceiveAny(hear);
    }
}
