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
        "assign-samples:4 897dddeb63beb146",
        "cancel-groups:1 4bcbcaf61c00a8e2",
        "completions-ready:3 c24d43302bd65925",
        "decoder-here:3 0f2bc5050b0512be",
        "decoder-lost:2 126158747c5a032e",
        "decoder-refused:2 c5938f5e81d35417",
        "decoder-report:4 a4e18cc07ab90838",
        "decoder-stats:1 2884821a5b38f9b6",
        "forget-groups:1 2de1f659d9a537b9",
        "group-given-up:1 8e3481f3cbc1384e",
        "groups-underway:1 78b63202521586c7",
        "join-barrier:1 d7b7ee16ef67017b",
        "leave-barrier:1 db88c3f8b9070754",
        "ledger-report:1 8df55c90bf08fb83",
        "link-report:1 6205684f2211520f",
        "no-room:1 c82a4166b6f4241c",
        "offer-groups:1 87e51bd193de4c8b",
        "outcomes-kept:1 bdddc95c012964d3",
        "outcomes-taken:1 4bcbcaf61c00a8e2",
        "query-decoder-stats:1 af7d782186fe9602",
        "query-ledger:1 e3b0c44298fc1c14",
        "query-scheduler:3 e3b0c44298fc1c14",
        "recall-samples:1 4b6b423cc800133d",
        "report-taken:1 30b6486f8a65541d",
        "samples-grew:1 c2c9ebfbcbd6ba0b",
        "scheduler-here:1 31fce1d5a2a6b9e5",
        "scheduler-report:1 319ccf8901408351",
        "send-groups:1 bdddc95c012964d3",
        "submit-group:4 643393d536976e45",
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
