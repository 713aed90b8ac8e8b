using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Configuration;
using Akka.Serialization;

namespace Rollout.Actors.Protocol.Wire;

/// <summary>
/// Stands where Akka's polymorphic JSON serializer would: that one builds any .NET type a peer names. Nothing is sent
/// with it and nothing received is read.
/// </summary>
public sealed class RefuseJsonSerializer : Serializer
{
    // Akka creates serializers with these two arguments.
    public RefuseJsonSerializer(ExtendedActorSystem system, Config config)
        : base(system)
    {
        _ = config;
    }

    /// <summary>The identifier that Akka's JSON serializer has on the wire.</summary>
    public override int Identifier => 1;

    public override bool IncludeManifest => true;

    public override byte[] ToBinary(object obj) =>
        throw new SerializationException($"no serializer is bound to {obj.GetType()}; JSON is refused");

    public override object FromBinary(byte[] bytes, Type type) =>
        throw new SerializationException("a message in JSON was refused");
}
