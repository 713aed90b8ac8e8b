using Akka.Actor;
using Akka.Serialization;
using Rollout.Actors.Protocol.Wire;

namespace Rollout.Actors.Tests.Cluster;

/// <summary>
/// The product's serializer, which besides publishes every message that reaches a member from another one on that
/// member's event stream: what is said between hosts, as they hear it.
/// </summary>
public sealed class WireTap(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    /// <summary>For members whose messages are to be listened to.</summary>
    public const string Akka = "akka.actor.serializers.rollout = \"Rollout.Actors.Tests.Cluster.WireTap, Rollout.Actors.Tests\"\n";

    private readonly WireSerializer _wire = new(system);

    public override int Identifier => _wire.Identifier;

    public override string Manifest(object o) => _wire.Manifest(o);

    public override byte[] ToBinary(object obj) => _wire.ToBinary(obj);

    public override object FromBinary(byte[] bytes, string manifest)
    {
        var message = _wire.FromBinary(bytes, manifest);
        system.EventStream.Publish(message);
        return message;
    }
}
