using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Decoding;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Sampling;
using Xunit;

namespace Rollout.Actors.Tests.Decoding;

/// <summary>A decoder whose pool is too small for what it is given.</summary>
public sealed class DecoderPreemptionTests() : ActorTest($"{VirtualTime}\nakka.loglevel = INFO")
{
    [Fact]
    public async Task Preempted_sequences_are_counted_and_logged_and_lose_no_token()
    {
        var log = CreateTestProbe();
        Sys.EventStream.Subscribe(log, typeof(Info));
        var scheduler = new SchedulerDouble(CreateTestProbe());
        var decoder = Sys.ActorOf(DecoderActor.Props(
            new DecoderSetup(
                Decoder(0), () => new FakeModelRunner(new KvCacheGeometry(BlockCount: 24, BlockSize: 4)),
                MaxModelLength: 80, StaticBatch: false, PrefixCaching: true, new PolicySource.Loaded())
            { Audited = true },
            TestSettings.Decoder, 1, scheduler.Ref, ActorRefs.Nobody));
        await scheduler.WelcomeAsync();
        var group = Groups.Of(5, 10, 40, 40, 40, 40, 40, 40);

        scheduler.Assign(decoder, group);

        Groups.AssertExpected(group, (await scheduler.DecodedAsync()).Completions, SamplingRng.SequenceKey);
        var stats = await decoder.Ask<DecoderStats>(new QueryDecoderStats(Reset: false), TimeSpan.FromSeconds(30));
        Assert.True(stats.Preemptions > 0, "the pool was large enough after all");
        var line = await log.FishForMessageAsync<Info>(said => said.ToString().Contains("preempted"));
        Assert.Contains(Decoder(0).ToString(), line.ToString());
        Assert.Contains("of 24 blocks in use", line.ToString());
    }
}
