using System.Security.Cryptography;
using Akka.Actor;
using Rollout.Actors.Protocol.Wire;
using Rollout.Actors.Tests.Support;
using Xunit;

namespace Rollout.Actors.Tests.Protocol;

/// <summary>
/// The bytes of every format stay what they are: whoever changes a message gives its manifest the next version, and this
/// list its new line.
/// </summary>
public sealed class WireFormatTests : ActorTest
{
    private const int Messages = 50;

    private static readonly string[] Known =
    [
    ];

    [Fact]
    public void Each_manifest_stands_for_the_bytes_that_it_always_stood_for()
    {
        var wire = new WireSerializer((ExtendedActorSystem)Sys);
        var types = typeof(IWireMessage).Assembly.GetTypes()
            .Where(type => type.IsAssignableTo(typeof(IWireMessage)) && type is { IsInterface: false, IsAbstract: false });

        Assert.Equal(Known, types.Select(type => Line(wire, type)).Order(StringComparer.Ordinal));
    }

    /// <summary>The manifest, and a hash of what it makes of the same messages each time.</summary>
    private string Line(WireSerializer wire, Type type)
    {
        var any = new AnyMessage(new Random(7), Sys.DeadLetters);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var manifest = "";
        for (var i = 0; i < Messages; i++)
        {
            var message = any.Of(type);
            manifest = wire.Manifest(message);
            hash.AppendData(wire.ToBinary(message));
        }
        return $"{manifest} {Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 8))}";
    }
}
