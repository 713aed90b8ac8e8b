using System.Security.Cryptography;
using Akka.Actor;
using Rollout.Actors.Protocol;
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
        "assign-samples:2 61013e9250e9f8b0",
        "cancel-groups:1 4bcbcaf61c00a8e2",
        "completions-ready:2 1ad4b6106caa5cb8",
        "decoder-here:3 0697538e3e232279",
        "decoder-lost:2 126158747c5a032e",
        "decoder-refused:2 8a95d3a6662c9941",
        "decoder-report:3 a990b74a019f32ad",
        "decoder-stats:1 2884821a5b38f9b6",
        "forget-groups:1 acbafb6c87128746",
        "group-given-up:1 207f9f34f2538469",
        "groups-underway:1 e9ae18855eb49217",
        "join-barrier:1 d7b7ee16ef67017b",
        "leave-barrier:1 db88c3f8b9070754",
        "ledger-report:1 8df55c90bf08fb83",
        "link-report:1 6205684f2211520f",
        "no-room:1 f99716ed43c715c4",
        "offer-groups:1 8224c20dca49896e",
        "outcomes-kept:1 ae59ae127ca587a1",
        "outcomes-taken:1 4bcbcaf61c00a8e2",
        "query-decoder-stats:1 af7d782186fe9602",
        "query-ledger:1 e3b0c44298fc1c14",
        "query-scheduler:3 e3b0c44298fc1c14",
        "recall-samples:1 dac2d5ddf12616b2",
        "report-taken:1 8c75c08181e0479d",
        "scheduler-here:1 64e622dce9841aaa",
        "scheduler-report:1 fb763aa33ae60ad6",
        "send-groups:1 ae59ae127ca587a1",
        "submit-group:3 a1517fcf47b7d253",
        "update-weights:1 6752a14fb4bf4d6d",
        "weights-not-taken:1 9e04e1540ed38b7e",
        "weights-updated:1 54942c1e186728e9",
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
