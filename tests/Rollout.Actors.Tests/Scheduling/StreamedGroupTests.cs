using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Scheduling;

/// <summary>What the scheduler tells the client of a group that is streamed.</summary>
public sealed class StreamedGroupTests : SchedulerActorTest
{
    [Fact]
    public async Task The_client_of_a_streamed_group_hears_of_tokens_as_they_are_reported()
    {
        var scheduler = Start();
        var decoder = await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8, 8) with { Streamed = true }));
        var assigned = await decoder.AssignedAsync();
        Assert.True(assigned.Group.Streamed);
        var (one, other) = (assigned.Samples[0], assigned.Samples[1]);

        decoder.Report(scheduler, [DecoderDouble.Progress(assigned, one, finished: null, 5, 6)]);
        var grew = Assert.Single((await ExpectMsgAsync<SamplesGrew>()).Samples);
        Assert.Equal((0, 0, null), (grew.Sample, grew.Start, grew.Finished));
        Assert.Equal([5, 6], grew.Sampled.Tokens);

        decoder.Report(scheduler, [DecoderDouble.Progress(assigned, one, FinishReason.Stop, 5, 6, 7)]);
        var ended = Assert.Single((await ExpectMsgAsync<SamplesGrew>()).Samples);
        Assert.Equal((0, 2, FinishReason.Stop), (ended.Sample, ended.Start, ended.Finished));
        Assert.Equal([7], ended.Sampled.Tokens);

        decoder.Report(scheduler, [DecoderDouble.Progress(assigned, other, FinishReason.Length, 9)]);
        Assert.Equal(2, (await ExpectMsgAsync<CompletionsReady>()).Completions.Length);
    }

    [Fact]
    public async Task The_client_of_any_other_group_hears_of_its_outcome_alone()
    {
        var scheduler = Start();
        var decoder = await JoinAsync(scheduler, 0);
        Tell(scheduler, new SubmitGroup(Groups.Of(1, 4, 8)));
        var assigned = await decoder.AssignedAsync();

        decoder.Report(scheduler, [DecoderDouble.Progress(assigned, assigned.Samples[0], finished: null, 5)]);
        decoder.Finish(scheduler, assigned, 5, 6);

        await ExpectMsgAsync<CompletionsReady>();
    }

    [Fact]
    public async Task A_new_scheduler_tells_the_client_of_all_tokens_that_decoders_bring()
    {
        var first = Start();
        var decoder = await JoinAsync(first, 0);
        var group = Groups.Of(1, 4, 8) with { Streamed = true };
        Tell(first, new SubmitGroup(group));
        var assigned = await decoder.AssignedAsync();
        decoder.Report(first, [DecoderDouble.Progress(assigned, assigned.Samples[0], finished: null, 5)]);
        await ExpectMsgAsync<SamplesGrew>();
        Advance(TimeSpan.FromSeconds(1));

        var second = Start();
        decoder.HeldSamples = 1;
        await decoder.JoinAsync(second);
        decoder.Report(second, [DecoderDouble.Progress(assigned, assigned.Samples[0], finished: null, 5, 6)]);
        Tell(second, new SubmitGroup(group));

        var grew = Assert.Single((await FishForMessageAsync<SamplesGrew>(_ => true)).Samples);
        Assert.Equal([5, 6], grew.Sampled.Tokens);
    }
}
