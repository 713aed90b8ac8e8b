using Akka.Actor;
using Rollout.Actors.Decoding;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Scheduling;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Sampling;
using Xunit;

namespace Rollout.Actors.Tests.Decoding;

/// <summary>A decoder between a scheduler that was replaced and goes on commanding, as one that was frozen does, and the next.</summary>
public sealed class DecoderHandOverTests : ActorTest
{
    private static readonly GroupRequest First = Groups.Of(1, 10, 50, 50);
    private static readonly GroupRequest Second = Groups.Of(2, 10, 9, 9);

    private readonly SchedulerDouble _old;
    private readonly SchedulerDouble _new;
    private readonly IActorRef _seat;
    private readonly FakeModelRunner _runner = new(new KvCacheGeometry(BlockCount: 100, BlockSize: 4));
    private readonly IActorRef _decoder;

    public DecoderHandOverTests()
        : base(VirtualTime)
    {
        _old = new SchedulerDouble(CreateTestProbe(), epoch: 5);
        _new = new SchedulerDouble(CreateTestProbe(), epoch: 9);
        _seat = Sys.ActorOf(Props.Create(() => new SchedulerSeatDouble(_old.Ref)));
        _decoder = Sys.ActorOf(DecoderActor.Props(
            new DecoderSetup(
                Decoder(0), () => _runner, MaxModelLength: 80, StaticBatch: false, PrefixCaching: true,
                new PolicySource.Loaded()),
            TestSettings.Decoder, 1, _seat, ActorRefs.Nobody));
    }

    [Fact]
    public async Task What_a_replaced_scheduler_assigns_is_not_worked_on()
    {
        await _old.WelcomeAsync();
        await HandOverAsync();

        _old.Assign(_decoder, First);
        await SettledAsync(_decoder);

        Assert.Equal(0, _runner.Steps);
        _new.Assign(_decoder, Second);
        Groups.AssertExpected(Second, (await _new.DecodedAsync()).Completions, SamplingRng.SequenceKey);
        Assert.DoesNotContain(_new.Reports.SelectMany(report => report.Samples), sample => sample.Group == First.Id);
    }

    [Fact]
    public async Task What_a_replaced_scheduler_recalls_or_forgets_goes_on_for_the_next_one()
    {
        await _old.WelcomeAsync();
        using var gate = new StepGate(_runner, closedAt: 4);
        _old.Assign(_decoder, First);
        await gate.ReachedAsync();
        _decoder.Tell(new SchedulerHere(_new.Epoch, TimeSpan.FromMilliseconds(100)), _new.Ref);
        _new.Assign(_decoder, Second);
        // By their numbers, these would be the new one's next commands.
        _old.Recall(_decoder, First.Id, runningToo: true, 0, 1);
        _old.Forget(_decoder, First.Id);
        gate.Open();

        while (Enumerable.Range(0, 2).Any(sample => _new.Of(First.Id, sample)?.Finished is null))
            await _new.NextAsync();

        for (var sample = 0; sample < 2; sample++)
            Assert.Equal(Groups.Expected(First, sample, SamplingRng.SequenceKey), _new.Of(First.Id, sample)!.Sampled.Tokens);
    }

    [Fact]
    public async Task The_next_scheduler_is_told_every_token_and_the_old_one_hears_no_more()
    {
        await _old.WelcomeAsync();
        _old.Assign(_decoder, Second);
        Groups.AssertExpected(Second, (await _old.DecodedAsync()).Completions, SamplingRng.SequenceKey);
        var heard = _old.Reports.Count;

        var here = await HandOverAsync();

        Assert.Equal((_old.Epoch, Second.Samples.Length), (here.Seen, here.HeldSamples));
        while (_new.Reports.Count == 0)
            await _new.NextAsync();
        var report = _new.Reports[0];
        Assert.Equal((_new.Epoch, 1L, 0L), (report.Epoch, report.Number, report.CommandsTaken));
        Assert.All(report.Samples, progress => Assert.Equal(
            Groups.Expected(Second, progress.Sample, SamplingRng.SequenceKey), progress.Sampled.Tokens));
        Assert.Equal([0, 1], report.Samples.Select(progress => progress.Sample).Order());
        Assert.Equal(heard, _old.Reports.Count);
    }

    [Fact]
    public async Task A_replaced_scheduler_that_says_it_is_there_is_not_followed_again()
    {
        await _old.WelcomeAsync();
        await HandOverAsync();

        _decoder.Tell(new SchedulerHere(_old.Epoch, TimeSpan.FromMilliseconds(100)), _old.Ref);
        _old.Assign(_decoder, First);
        _new.Assign(_decoder, Second);

        Assert.Equal(Second.Id, (await _new.DecodedAsync()).Id);
    }

    [Fact]
    public async Task A_replaced_scheduler_that_refuses_it_is_not_heard()
    {
        await _old.WelcomeAsync();
        await HandOverAsync();
        Sys.EventStream.Subscribe(TestActor, typeof(DecoderRefused));
        var late = new DecoderRefused(_old.Epoch, Decoder(0), "it has another model");
        var said = late with { Epoch = _new.Epoch };

        _decoder.Tell(late, _old.Ref);
        _decoder.Tell(said, _new.Ref);

        Assert.Equal(said, await ExpectMsgAsync<DecoderRefused>());
    }

    /// <summary>The next scheduler takes the seat, and the decoder hears of it when it says again that it is there.</summary>
    private async Task<DecoderHere> HandOverAsync()
    {
        await SettledAsync(_decoder);
        await SettledAsync(_seat);
        _seat.Tell(new SchedulerSeatDouble.Taken(_new.Ref));
        Advance(TimeSpan.FromSeconds(5));
        return await _new.WelcomeAsync();
    }
}
