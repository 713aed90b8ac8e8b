using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Configuration;
using Akka.Serialization;

namespace Rollout.Actors.Protocol.Wire;

/// <summary>
/// Takes the place of a serializer of Akka's that would build any type that a peer names. It refuses to send and to read.
/// </summary>
public abstract class RefusingSerializer : Serializer
{
    private readonly string _what;

    private protected RefusingSerializer(ExtendedActorSystem system, string what)
        : base(system) => _what = what;

    public sealed override bool IncludeManifest => true;

    public sealed override byte[] ToBinary(object obj) =>
        throw new SerializationException($"no serializer is bound to {obj.GetType()}; {_what} is refused");

    public sealed override object FromBinary(byte[] bytes, Type type) =>
        throw new SerializationException($"{_what} was refused");
}

/// <summary>Takes the place of Akka's JSON serializer, which builds any .NET type that a peer names.</summary>
public sealed class RefuseJsonSerializer : RefusingSerializer
{
    // Akka creates it with these two arguments.
    public RefuseJsonSerializer(ExtendedActorSystem system, Config config)
        : base(system, "a message in JSON") => _ = config;

    public override int Identifier => 1;
}

/// <summary>Takes the place of the serializer of remote deployment, with which a peer starts actors of any type.</summary>
public sealed class RefuseDeploymentSerializer(ExtendedActorSystem system)
    : RefusingSerializer(system, "an actor deployed from elsewhere")
{
    public override int Identifier => 3;
}
