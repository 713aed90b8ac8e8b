using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Scheduling;

/// <summary>What becomes of groups when decoders and their hosts are lost. The test's own actor is the client.</summary>
public sealed class DecoderLossTests : SchedulerActorTest
{
    [Fact]
    public async Task A_dead_decoders_samples_go_on_elsewhere_from_the_tokens_that_it_reported()
    {
        var scheduler = Start();
        var first = await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8, 8, 8)));
        var assigned = await first.AssignedAsync();
        first.Report(scheduler,
        [
            DecoderDouble.Progress(assigned, assigned.Samples[0], FinishReason.Stop, 1, 2, 3),
            DecoderDouble.Progress(assigned, assigned.Samples[1], null, 4, 5),
        ]);
        var second = await JoinAsync(scheduler, 1);

        Tell(scheduler, new DecoderLost(Decoder(0), 1, "out of memory", ComesBack: false));
        var moved = await second.AssignedAsync();
        Assert.Equal([1, 2], moved.Samples.Select(start => start.Sample));
        Assert.Equal([4, 5], moved.Samples[0].Sampled.Tokens);
        Assert.Equal([-4f, -5f], moved.Samples[0].Sampled.Logprobs);
        Assert.Empty(moved.Samples[1].Sampled.Tokens);
        Assert.NotEqual(assigned.Assignment, moved.Assignment);
        first.Finish(scheduler, assigned, 9, 9, 9, 9);      // late: it is nobody any more
        second.Finish(scheduler, moved, 6, 7);

        var ready = await ExpectMsgAsync<CompletionsReady>();
        Assert.Equal([1, 2, 3], ready.Completions[0].Tokens);
        Assert.Equal([4, 5, 6, 7], ready.Completions[1].Tokens);
        Assert.Equal([6, 7], ready.Completions[2].Tokens);
    }

    [Fact]
    public async Task The_groups_of_a_lost_host_go_to_another_and_the_host_counts_for_nothing_for_ever()
    {
        var scheduler = Start();
        var first = new DecoderDouble(CreateTestProbe(), Decoder(0, "gone:1"));
        await first.JoinAsync(scheduler);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        var assigned = await first.AssignedAsync();

        Tell(scheduler, new HostLost(first.Id.Host));
        scheduler.Tell(first.Here with { Incarnation = 9 }, first.Ref);     // it was only frozen, and thaws
        first.Finish(scheduler, assigned, 6);
        var second = await JoinAsync(scheduler, 1);
        second.Finish(scheduler, await second.AssignedAsync(), 7);

        var ready = await ExpectMsgAsync<CompletionsReady>();
        Assert.Equal([7], ready.Completions[0].Tokens);
        var process = new DecoderDouble(CreateTestProbe(), new DecoderId(new HostId("gone:1", 2), "cuda:0"));
        await process.JoinAsync(scheduler);     // another process at that address
    }

    [Fact]
    public async Task One_that_stops_is_lost_also_where_nobody_says_so()
    {
        var scheduler = Start();
        var first = await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        await first.AssignedAsync();
        var second = await JoinAsync(scheduler, 1);

        await StopAsync(scheduler, first);
        await PassAsync(scheduler, seconds: 5);

        Assert.Equal(1, (await second.AssignedAsync()).Group.Id.Value);
    }

    [Fact]
    public async Task The_reason_that_a_decoders_host_gives_fails_its_groups_and_is_logged_once()
    {
        Sys.EventStream.SetLogLevel(LogLevel.WarningLevel);
        var log = CreateTestProbe();
        Sys.EventStream.Subscribe(log, typeof(Warning));
        var scheduler = Start();
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        for (var incarnation = 1; incarnation <= 3; incarnation++)
        {
            var decoder = await JoinAsync(scheduler, 0, incarnation);
            await decoder.AssignedAsync();
            await StopAsync(scheduler, decoder);
            Tell(scheduler, new DecoderLost(Decoder(0), incarnation, "an illegal memory access", ComesBack: true));
            Assert.Contains("an illegal memory access", $"{(await log.ExpectMsgAsync<Warning>()).Message}");
        }

        Assert.Contains("an illegal memory access", (await ExpectMsgAsync<GroupGivenUp>()).Reason);
        await PassAsync(scheduler, seconds: 5);
        Assert.False(log.HasMessages);
    }

    [Fact]
    public async Task A_decoder_that_reports_nonsense_is_logged_ever_more_rarely()
    {
        Sys.EventStream.SetLogLevel(LogLevel.WarningLevel);
        var log = CreateTestProbe();
        Sys.EventStream.Subscribe(log, typeof(Warning));
        var scheduler = Start();
        var decoder = await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        var assigned = await decoder.AssignedAsync();
        var bad = DecoderDouble.Progress(assigned, assigned.Samples[0], finished: null, 5) with { Sample = -1 };

        decoder.Report(scheduler, [.. Enumerable.Repeat(bad, 1000)]);

        for (var count = 1; count <= 512; count *= 2)
            Assert.StartsWith($"{count} report entries of {Decoder(0)}", $"{(await log.ExpectMsgAsync<Warning>()).Message}");
        decoder.Finish(scheduler, assigned, 5);
        await ExpectMsgAsync<CompletionsReady>();
        Assert.False(log.HasMessages);
    }

    [Fact]
    public async Task Groups_wait_for_a_stopped_decoder_until_its_host_says_that_it_stays_away()
    {
        var scheduler = Start();
        var decoder = await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        await decoder.AssignedAsync();
        await StopAsync(scheduler, decoder);
        await PassAsync(scheduler, seconds: 5);
        Assert.Equal(0, (await scheduler.Ask<SchedulerReport>(new QueryScheduler(), TimeSpan.FromSeconds(30))).Decoders);
        Assert.False(HasMessages);

        Tell(scheduler, new DecoderLost(Decoder(0), 1, "the device fell off the bus", ComesBack: false));

        Assert.Contains("the device fell off the bus", (await ExpectMsgAsync<GroupGivenUp>()).Reason);
    }

    [Fact]
    public async Task What_an_earlier_incarnation_had_goes_to_the_next_one()
    {
        var scheduler = Start();
        var first = await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        var lost = await first.AssignedAsync();

        var second = await JoinAsync(scheduler, 0, incarnation: 2);
        var assigned = await second.AssignedAsync();
        first.Finish(scheduler, lost, 5);
        Tell(scheduler, new DecoderLost(Decoder(0), 1, "late word", ComesBack: true));
        second.Finish(scheduler, assigned, 7);

        var ready = await ExpectMsgAsync<CompletionsReady>();
        Assert.Equal([7], ready.Completions[0].Tokens);
    }

    [Fact]
    public async Task When_the_last_decoder_is_lost_all_groups_fail_with_its_reason()
    {
        var scheduler = Start();
        var decoder = await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        Tell(scheduler, new SubmitGroup(Groups.Of(2, 4, 1, 1, 1, 1, 1, 1, 1, 1)));
        await decoder.AssignedAsync();

        Tell(scheduler, new DecoderLost(Decoder(0), 1, "the device fell off the bus", ComesBack: false));
        Tell(scheduler, new SubmitGroup(Groups.Of(3, 4, 8)));

        for (var i = 1; i <= 3; i++)
        {
            var failed = await ExpectMsgAsync<GroupGivenUp>();
            Assert.Equal(i, failed.Id.Value);
            Assert.Contains("the device fell off the bus", failed.Reason);
            Assert.Contains(Decoder(0).ToString(), failed.Reason);
        }
        var back = await JoinAsync(scheduler, 0, incarnation: 2);
        Tell(scheduler, new SubmitGroup(Groups.Of(4, 4, 8)));
        Assert.Equal(4, (await back.AssignedAsync()).Group.Id.Value);
    }

    [Fact]
    public async Task Where_no_decoder_is_left_a_group_that_had_finished_is_still_answered_again()
    {
        var scheduler = Start();
        var decoder = await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        decoder.Finish(scheduler, await decoder.AssignedAsync(), 5);
        await ExpectMsgAsync<CompletionsReady>();       // and say that it got lost
        Tell(scheduler, new DecoderLost(Decoder(0), 1, "the device fell off the bus", ComesBack: false));

        Tell(scheduler, new SubmitGroup(Groups.Of(2, 4, 8)), new SubmitGroup(Groups.Of(1, 4, 8)));

        Assert.Equal(2, (await ExpectMsgAsync<GroupGivenUp>()).Id.Value);
        Assert.Equal(1, (await ExpectMsgAsync<CompletionsReady>()).Id.Value);
    }

    [Fact]
    public async Task Groups_wait_for_a_decoder_that_comes_back_even_when_the_others_do_not()
    {
        var scheduler = Start();
        await JoinAsync(scheduler, 0);
        await JoinAsync(scheduler, 1);
        Tell(scheduler, new DecoderLost(Decoder(0), 1, "restarting", ComesBack: true));
        Tell(scheduler, new DecoderLost(Decoder(1), 1, "for good", ComesBack: false));
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));

        var back = await JoinAsync(scheduler, 0, incarnation: 2);

        back.Finish(scheduler, await back.AssignedAsync(), 5);
        await ExpectMsgAsync<CompletionsReady>();
    }

    [Fact]
    public async Task Where_the_last_host_dies_groups_wait_no_longer_than_said_and_name_the_dead_one()
    {
        var scheduler = Start();
        var decoder = await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        await decoder.AssignedAsync();
        Tell(scheduler, new HostLost(decoder.Id.Host));
        await SettledAsync(scheduler);
        Advance(TimeSpan.FromSeconds(1));
        await SettledAsync(scheduler);

        Advance(TestSettings.Scheduler.DecoderTimeout);

        Assert.Contains(decoder.Id.ToString(), (await ExpectMsgAsync<GroupGivenUp>()).Reason);
    }

    /// <summary>The decoder's actor stops, and the scheduler has noticed.</summary>
    private async Task StopAsync(IActorRef scheduler, DecoderDouble decoder)
    {
        Watch(decoder.Ref);
        Sys.Stop(decoder.Ref);
        await ExpectTerminatedAsync(decoder.Ref);
        await SettledAsync(scheduler);
    }

    private async Task PassAsync(IActorRef scheduler, int seconds)
    {
        for (var second = 0; second < seconds; second++)
        {
            Advance(TimeSpan.FromSeconds(1));
            await SettledAsync(scheduler);
        }
    }
}
