using Akka.Actor;
using FsCheck.Fluent;
using Rollout.Actors.Client;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Client;

/// <summary>Samples that are followed while they grow. The test's own actor is the scheduler.</summary>
public sealed class StreamSessionTests() : ActorTest(VirtualTime)
{
    private static readonly SchedulerEpoch Epoch = new(3);

    [Fact]
    public async Task Tokens_come_in_order_and_once_and_the_outcome_fills_the_gaps()
    {
        await using var news = Start(Groups.Of(1, 3, 5, 5));
        var first = news.MoveNextAsync();
        var (id, session) = await SubmittedAsync();
        Grow(session, id, Slice(0, 0, 10, 11));
        Grow(session, id, Slice(0, 0, 10, 11), Slice(1, 1, 21));        // known, and behind a gap
        Grow(session, id, Slice(0, 1, 11, 12));
        Tell(session, new CompletionsReady(Epoch, id, 2, [Done(0, 10, 11, 12), Done(1, 20, 21)]));

        Assert.True(await first);
        Assert.Equal("0: 10 11", Text(news.Current));
        Assert.Equal("0: 12", await NextAsync(news));
        Assert.Equal("0: end", await NextAsync(news));
        Assert.Equal("1: 20 21 end", await NextAsync(news));
        Assert.False(await news.MoveNextAsync());
        Assert.Equal([id], (await FishForMessageAsync<OutcomesTaken>(_ => true)).Groups);
    }

    [Fact]
    public async Task A_group_that_fails_ends_the_stream_and_cancels_the_others()
    {
        await using var news = Start(Groups.Of(1, 3, 5), Groups.Of(2, 3, 5));
        var first = news.MoveNextAsync();
        var (one, session) = await SubmittedAsync();
        var (other, _) = await SubmittedAsync();
        Tell(session, new GroupGivenUp(Epoch, one, "no decoder is left"));

        var failed = await Assert.ThrowsAsync<GroupFailedException>(async () => await first);
        Assert.Equal("no decoder is left", failed.Message);
        Assert.Equal([other], (await FishForMessageAsync<CancelGroups>(_ => true)).Groups);
    }

    [Fact]
    public async Task A_group_that_can_not_be_sent_ends_the_stream()
    {
        await using var news = Start(Groups.Of(1, 0, 5));
        var failed = await Assert.ThrowsAsync<GroupFailedException>(async () => await news.MoveNextAsync());
        Assert.Equal("the prompt has no tokens", failed.Message);
    }

    [Fact]
    public async Task Whoever_stops_reading_cancels_the_samples()
    {
        var news = Start(Groups.Of(1, 3, 5));
        var first = news.MoveNextAsync();
        var (id, session) = await SubmittedAsync();
        Grow(session, id, Slice(0, 0, 10));
        Assert.True(await first);

        await news.DisposeAsync();

        Assert.Equal([id], (await FishForMessageAsync<CancelGroups>(_ => true)).Groups);
    }

    [Fact]
    public async Task A_system_that_stops_does_not_look_like_the_end()
    {
        await using var news = Start(Groups.Of(1, 3, 5));
        var first = news.MoveNextAsync();
        Sys.Stop((await SubmittedAsync()).Session);
        await Assert.ThrowsAsync<GroupFailedException>(async () => await first);
    }

    [Fact]
    public void Whatever_slices_come_each_token_is_given_once_and_in_order() => Prop.ForAll(
        Gen.Choose(0, int.MaxValue - 1).ToArbitrary(),
        seed =>
        {
            var random = new Random(seed);
            int[] tokens = [.. Enumerable.Range(0, random.Next(1, 20))];
            var group = new StreamedGroup(new GroupId(1), 1);
            var given = new List<SampleNews?>();
            for (var i = random.Next(30); i > 0; i--)
            {
                var start = random.Next(-1, tokens.Length);
                var end = random.Next(Math.Max(start, 0), tokens.Length);
                given.Add(group.Take(Slice(start < 0 ? 7 : 0, Math.Max(start, 0), tokens[Math.Max(start, 0)..end])));
            }
            given.AddRange(group.TakeRest(new GroupFinished(new GroupId(1), [Done(0, tokens)])));
            var news = given.OfType<SampleNews>().ToArray();
            return news.SelectMany(one => one.Sampled.Tokens).SequenceEqual(tokens)
                && news.Count(one => one.Finished is not null) == 1;
        }).Holds(runs: 300);

    private IAsyncEnumerator<SampleNews> Start(params GroupRequest[] groups) =>
        new RolloutClient(Sys, TestActor).SampleAsync(groups).GetAsyncEnumerator();

    private async Task<(GroupId Id, IActorRef Session)> SubmittedAsync() =>
        ((await FishForMessageAsync<SubmitGroup>(_ => true)).Group.Id, LastSender);

    private void Grow(IActorRef session, GroupId id, params SampleSlice[] slices) =>
        Tell(session, new SamplesGrew(Epoch, id, slices));

    private static SampleSlice Slice(int sample, int start, params int[] tokens) => new(sample, start, Sampled(tokens));

    private static Completion Done(int sample, params int[] tokens) => new(sample, Sampled(tokens), FinishReason.Length);

    private static SampledTokens Sampled(int[] tokens) =>
        new(tokens, [.. tokens.Select(token => -(float)token)], tokens.Length == 0 ? [] : [new(default, 0)]);

    private static async Task<string> NextAsync(IAsyncEnumerator<SampleNews> news) =>
        await news.MoveNextAsync() ? Text(news.Current) : "";

    private static string Text(SampleNews news) =>
        $"{news.Sample}: {string.Join(' ', [.. news.Sampled.Tokens, .. news.Finished is null ? [] : (string[])["end"]])}";
}
