using System.Buffers.Binary;
using System.Runtime.Serialization;
using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Actors.Protocol.Wire;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Protocol;

/// <summary>What crosses hosts comes out as it went in, and nothing else comes out.</summary>
public sealed class WireSerializerTests : ActorTest
{
    private readonly WireSerializer _wire;
    private readonly AnyMessage _any;
    private readonly Random _random = new(20);

    public WireSerializerTests()
    {
        _wire = new WireSerializer((ExtendedActorSystem)Sys);
        _any = new AnyMessage(_random, TestActor);
    }

    public static TheoryData<Type> Messages => new(typeof(IWireMessage).Assembly.GetTypes()
        .Where(type => type.IsAssignableTo(typeof(IWireMessage)) && type is { IsInterface: false, IsAbstract: false }));

    [Theory]
    [MemberData(nameof(Messages))]
    public void Every_message_comes_back_with_all_its_fields(Type type)
    {
        for (var i = 0; i < 100; i++)
        {
            var sent = _any.Of(type);
            var received = _wire.FromBinary(_wire.ToBinary(sent), _wire.Manifest(sent));
            Assert.IsType(type, received);
            Assert.Equal(AnyMessage.Contents(sent), AnyMessage.Contents(received));
        }
    }

    [Theory]
    [MemberData(nameof(Messages))]
    public void Damaged_bytes_are_refused_or_read_as_some_message(Type type)
    {
        for (var i = 0; i < 300; i++)
        {
            var sent = _any.Of(type);
            var bytes = Damage(_wire.ToBinary(sent));
            try
            {
                Assert.IsType(type, _wire.FromBinary(bytes, _wire.Manifest(sent)));
            }
            catch (SerializationException refused)
            {
                Assert.DoesNotContain('\n', refused.Message);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Messages))]
    public void A_message_that_is_too_short_or_too_long_by_a_byte_is_refused(Type type)
    {
        var sent = _any.Of(type);
        var (bytes, manifest) = (_wire.ToBinary(sent), _wire.Manifest(sent));

        Assert.Throws<SerializationException>(() => _wire.FromBinary([.. bytes, 0], manifest));
        if (bytes.Length > 0)
            Assert.Throws<SerializationException>(() => _wire.FromBinary(bytes[..^1], manifest));
    }

    [Theory]
    [InlineData("")]
    [InlineData("submit-group")]
    [InlineData("submit-group:0")]
    [InlineData("System.IO.FileInfo, System.Private.CoreLib\n")]
    public void An_unknown_kind_of_message_is_refused_in_one_line(string manifest)
    {
        var refused = Assert.Throws<SerializationException>(() => _wire.FromBinary([1, 2, 3], manifest));

        Assert.DoesNotContain('\n', refused.Message);
    }

    [Fact]
    public void A_list_that_claims_a_billion_items_is_refused_before_memory_is_taken_for_it()
    {
        var bytes = _wire.ToBinary(new OutcomesTaken([new GroupId(1)]));
        byte[] claim = [0xdd, 0, 0, 0, 0];      // MessagePack's array of a 32-bit count
        BinaryPrimitives.WriteInt32BigEndian(claim.AsSpan(1), 1_000_000_000);
        var before = GC.GetAllocatedBytesForCurrentThread();

        Assert.Throws<SerializationException>(() =>
            _wire.FromBinary([.. claim, .. bytes.AsSpan(1)], "outcomes-taken:1"));

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    [Fact]
    public void An_actors_address_whose_uid_is_no_number_is_refused()
    {
        var sent = _any.Of(typeof(DecoderHere));
        var bytes = _wire.ToBinary(sent);
        bytes[bytes.AsSpan().IndexOf((byte)'#') + 1] = (byte)'X';

        Assert.Throws<SerializationException>(() => _wire.FromBinary(bytes, _wire.Manifest(sent)));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(int.MaxValue, 0)]
    [InlineData(1, -1)]
    [InlineData(1, long.MaxValue)]
    public void Sizes_and_epochs_that_nobody_has_are_refused(int samples, long epoch)
    {
        var sent = new OfferGroups([new OfferedGroup(new GroupId(1), samples)], new SchedulerEpoch(epoch));

        Assert.Throws<SerializationException>(() => _wire.FromBinary(_wire.ToBinary(sent), _wire.Manifest(sent)));
    }

    [Theory]
    [InlineData(1, null)]
    [InlineData(2, 0)]
    [InlineData(2, 3)]
    public void Tokens_without_as_many_log_probabilities_are_refused(int logprobs, int? samplingLogprobs)
    {
        var sampled = new SampledTokens(
            [1, 2], new float[logprobs], [], samplingLogprobs is { } count ? new float[count] : null);
        var sent = new CompletionsReady(
            default, new GroupId(1), 1, [new Completion(0, sampled, FinishReason.Stop)]);

        Assert.Throws<SerializationException>(() => _wire.FromBinary(_wire.ToBinary(sent), _wire.Manifest(sent)));
    }

    [Fact]
    public void The_way_of_sampling_that_all_samples_share_is_sent_once()
    {
        var sampling = new SamplingParams { MaxTokens = 5, StopTexts = [new string('x', 1000)] };
        var one = new SubmitGroup(new GroupRequest(new GroupId(1), [1], [sampling]));
        var many = new SubmitGroup(new GroupRequest(new GroupId(1), [1], [.. Enumerable.Repeat(sampling, 8)]));

        Assert.InRange(_wire.ToBinary(many).Length - _wire.ToBinary(one).Length, 1, 100);
    }

    [Fact]
    public void Every_format_has_a_manifest_of_its_own_with_a_version() =>
        Assert.Equal(
            WireFormats.All.Count,
            WireFormats.All.Select(format => format.Manifest).Where(name => char.IsDigit(name.Split(':')[1][0])).Distinct().Count());

    private byte[] Damage(byte[] bytes)
    {
        switch (_random.Next(3))
        {
            case 0:
                return bytes[.._random.Next(bytes.Length + 1)];
            case 1:
                return [.. bytes, .. RandomBytes(_random.Next(1, 9))];
            default:
                for (var i = 0; i < 1 + (bytes.Length / 8) && bytes.Length > 0; i++)
                    bytes[_random.Next(bytes.Length)] = (byte)_random.Next(256);
                return bytes;
        }
    }

    private byte[] RandomBytes(int count)
    {
        var bytes = new byte[count];
        _random.NextBytes(bytes);
        return bytes;
    }
}
