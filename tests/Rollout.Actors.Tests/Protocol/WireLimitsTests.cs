using Akka.Actor;
using Akka.Configuration;
using Rollout.Actors.Protocol;
using Rollout.Actors.Protocol.Wire;
using Rollout.Actors.Tests.Support;
using Rollout.Actors.Topology;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Protocol;

/// <summary>What is said to fit into a message fits.</summary>
public sealed class WireLimitsTests : ActorTest
{
    private readonly WireSerializer _wire;

    public WireLimitsTests() => _wire = new WireSerializer((ExtendedActorSystem)Sys);

    [Fact]
    public void The_frame_is_that_of_the_configuration() => Assert.Equal(
        WireLimits.FrameBytes,
        ConfigurationFactory.FromResource<RolloutTopology>("akka.conf")
            .GetByteSize("akka.remote.dot-netty.tcp.maximum-frame-size"));

    [Fact]
    public void A_reason_of_any_length_can_be_sent()
    {
        var reason = WireLimits.Reason(new string('漢', 1 << 20));
        var sent = new GroupGivenUp(default, new GroupId(1), reason);

        Assert.Equal(sent, _wire.FromBinary(_wire.ToBinary(sent), _wire.Manifest(sent)));
        Assert.Equal("short", WireLimits.Reason("short"));
    }

    [Fact]
    public void A_report_full_of_reasons_can_be_sent()
    {
        var reason = WireLimits.Reason(new string('漢', 1 << 20));
        var rejected = Enumerable.Range(0, 64).Select(id => new GroupRejection(new GroupId(id), new AssignmentId(1), reason)).ToArray();
        var report = new DecoderReport(
            new DecoderId(new HostId("here:1", 1), "cpu"), 1, default, 1, 1, default, [], rejected, default, More: false);

        Assert.InRange(_wire.ToBinary(report).Length, 1, WireLimits.FrameBytes / 2);
    }

    [Fact]
    public void The_largest_groups_that_are_taken_can_be_submitted_and_assigned()
    {
        foreach (var group in (GroupRequest[])
        [
            Request(prompt: Most(size => Request(prompt: size))),
            Request(samples: Most(size => Request(samples: size))),
            Request(stopTexts: Most(size => Request(stopTexts: size))),
            Request(differentSamples: Most(size => Request(differentSamples: size))),
            Request(maxTokens: Most(size => Request(maxTokens: size))),
            Request(topK: 5, maxTokens: Most(size => Request(topK: 5, maxTokens: size))),
            Request(prompt: 400_000, maxTokens: Most(size => Request(prompt: 400_000, maxTokens: size))),
        ])
        {
            AssertFits(new SubmitGroup(group));
            var longest = group.Samples[0].MaxTokens;
            AssertFits(new AssignSamples(
                default, long.MaxValue, new AssignmentId(int.MaxValue), group, [new SampleStart(0, Sampled(longest, group.Samples[0].Filters))]));
        }

        void AssertFits(object message) =>
            Assert.InRange(_wire.ToBinary(message).Length, 1, WireLimits.FrameBytes - (64 << 10));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_assigned_sample_is_never_larger_than_was_said(bool filtered)
    {
        var versions = Enumerable.Repeat(new VersionSpan(
            new Policy(long.MaxValue, new PolicyVersion(int.MaxValue)), int.MaxValue), 100).ToArray();
        var start = new SampleStart(int.MaxValue, Sampled(70_000, filtered) with { Versions = versions });
        var assign = new AssignSamples(default, 1, new AssignmentId(1), Request(), []);

        Assert.InRange(
            _wire.ToBinary(assign with { Samples = [start] }).Length - _wire.ToBinary(assign).Length,
            1,
            WireLimits.BytesOf(start));
    }

    [Fact]
    public void A_stop_text_that_could_not_be_read_is_named_with_its_size()
    {
        var group = Request() with
        {
            Samples = [new SamplingParams { MaxTokens = 1, StopTexts = ["a", new string('漢', 30_000)] }],
        };

        Assert.Equal("a stop text has 90000 bytes, more than the 65536 that a message may have", WireLimits.WhyTooLarge(group));
    }

    [Fact]
    public void What_is_too_large_is_said_in_one_sentence_with_the_numbers()
    {
        Assert.Contains("prompt of 600000 tokens", WireLimits.WhyTooLarge(Request(prompt: 600_000)));
        Assert.Contains("600000 samples", WireLimits.WhyTooLarge(Request(samples: 600_000)));
        Assert.Contains("600000 new tokens", WireLimits.WhyTooLarge(Request(maxTokens: 600_000)));
        Assert.Contains("2000000 stop texts", WireLimits.WhyTooLarge(Request(stopTexts: 2_000_000)));
        Assert.Null(WireLimits.WhyTooLarge(Request()));
    }

    private static SampledTokens Sampled(int count, bool filtered) =>
        new(new int[count], new float[count], [], filtered ? new float[count] : null);

    private static GroupRequest Request(
        int prompt = 1, int samples = 1, int stopTexts = 0, int maxTokens = 1, int differentSamples = 0, int topK = 0)
    {
        var sampling = new SamplingParams
        {
            MaxTokens = maxTokens,
            TopK = topK,
            Seed = ulong.MaxValue,
            StopTexts = [.. Enumerable.Repeat("", stopTexts)],
        };
        return new GroupRequest(
            new GroupId(long.MaxValue, int.MaxValue),
            new int[prompt],
            [.. Enumerable.Repeat(sampling, samples), .. Enumerable.Range(0, differentSamples).Select(_ => sampling with { })]);
    }

    /// <summary>The largest size of which the group is taken.</summary>
    private static int Most(Func<int, GroupRequest> ofSize)
    {
        var (least, most) = (1, 2_000_000);
        while (least < most)
        {
            var middle = (least + most + 1) / 2;
            if (WireLimits.WhyTooLarge(ofSize(middle)) is null)
                least = middle;
            else
                most = middle - 1;
        }
        return least;
    }
}
