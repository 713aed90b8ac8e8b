using FsCheck.Fluent;
using Rollout.Actors.Data;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Actors.Training;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Training;

public sealed class RoundGroupsTests
{
    private enum Kind
    {
        Finish,
        Score,
        Fail,
    }

    [Fact]
    public void In_any_order_of_answers_every_group_is_scored_or_failed_once() =>
        Prop.ForAll(
            Gen.Choose(1, 6).ToArbitrary(),
            (from kind in Gen.Elements(Enum.GetValues<Kind>())
             from number in Gen.Choose(0, 7)
             select (Kind: kind, Number: number)).ArrayOf().ToArbitrary(),
            (expected, events) =>
            {
                var buffer = new RoundGroups();
                for (var i = 0; i < expected; i++)
                    buffer.Expect(Item(i), Groups.Of(i, 3, 5, 5));
                var finished = new HashSet<int>();
                var ended = new Dictionary<int, (bool IsScored, int Event)>();
                for (var i = 0; i < events.Length; i++)
                {
                    var (kind, number) = events[i];
                    var isAwaited = number < expected && !ended.ContainsKey(number);
                    switch (kind)
                    {
                        case Kind.Finish:
                            var item = buffer.Finish(Finished(number));
                            Assert.Equal(isAwaited && finished.Add(number) ? $"item {number}" : null, item?.Id);
                            break;
                        case Kind.Score:
                            buffer.AddRewards(new GroupScored(new GroupId(number), [i, i], ["", ""]));
                            if (isAwaited && finished.Contains(number))
                                ended[number] = (true, i);
                            break;
                        case Kind.Fail:
                            buffer.Fail(new GroupId(number), $"reason {i}");
                            if (isAwaited)
                                ended[number] = (false, i);
                            break;
                    }
                    Assert.Equal(ended.Count == expected, buffer.IsComplete);
                    Assert.Equal(
                        Enumerable.Range(0, expected).Where(id => !ended.ContainsKey(id)),
                        buffer.Open.Select(id => (int)id.Value));
                }
                Assert.Equal(
                    ended.Where(end => end.Value.IsScored).OrderBy(end => end.Key)
                        .Select(end => (end.Key, (double)end.Value.Event)),
                    buffer.Scored.Select(group => ((int)group.Group.Id.Value, group.Rewards[0])));
                Assert.Equal(
                    ended.Where(end => !end.Value.IsScored).OrderBy(end => end.Key)
                        .Select(end => new GroupFailed(new GroupId(end.Key), $"reason {end.Value.Event}")),
                    buffer.Failed);
            }).Holds(runs: 300);

    [Fact]
    public void A_group_without_all_its_samples_is_nobodys_to_train_on()
    {
        var buffer = new RoundGroups();
        buffer.Expect(Item(1), Groups.Of(1, 3, 5, 5, 5));

        var fault = Assert.Throws<InvalidOperationException>(() => buffer.Finish(Finished(1)));

        Assert.Contains("group 1 came with 2 of 3 samples", fault.Message);
        Assert.False(buffer.IsComplete);
    }

    private static PromptItem Item(int number) =>
        new($"item {number}", $"prompt {number}", new Dictionary<string, string>());

    private static GroupFinished Finished(int number) => new(
        new GroupId(number),
        [
            new(0, new SampledTokens([1], [-1], [new(default, 0)]), FinishReason.Stop),
            new(1, new SampledTokens([2], [-2], [new(default, 0)]), FinishReason.Stop),
        ]);
}
