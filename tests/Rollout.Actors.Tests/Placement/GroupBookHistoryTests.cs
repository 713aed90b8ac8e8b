using FsCheck.Fluent;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Placement;

public sealed class GroupBookHistoryTests
{
    private const int Histories = 80;

    [Fact]
    public void Whatever_is_lost_doubled_or_late_each_group_comes_once_whole_and_undisturbed()
    {
        var seen = new Dictionary<string, int>();
        Prop.ForAll(Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), seed =>
        {
            var cluster = new SimulatedCluster(seed);
            cluster.Run(events: 800);
            foreach (var (what, times) in cluster.Seen)
                seen[what] = seen.GetValueOrDefault(what) + times;
        }).Holds(runs: Histories);

        Assert.All(
            ["Taken", "Ended", "NoRoom", "called", "kill", "drain", "hand-over", "recall", "refusal", "lost acknowledgement"],
            what => Assert.True(
                seen.GetValueOrDefault(what) > Histories / 10,
                $"{what} happened too rarely to be tried: {string.Join(", ", seen)}"));
    }

    [Fact]
    public void A_group_is_judged_by_all_samples_where_both_models_draw_the_same_first_one()
    {
        var other = SimulatedDecoder.VersionOf(SimulatedCluster.OtherModel);
        var group = Enumerable.Range(1, 100_000).Select(id => Groups.Of(id, 3, 1, 4)).First(group =>
            Tokens(group, 0, default).SequenceEqual(Tokens(group, 0, other))
            && !Tokens(group, 1, default).SequenceEqual(Tokens(group, 1, other)));

        foreach (var model in (string[])[SimulatedDecoder.Model, SimulatedCluster.OtherModel])
        {
            Completion[] drawn = [.. Enumerable.Range(0, 2).Select(sample => new Completion(
                sample,
                new SampledTokens(Tokens(group, sample, SimulatedDecoder.VersionOf(model)), [], []),
                FinishReason.Length))];
            Assert.Equal(model, SimulatedCluster.ModelOf(group, drawn));
        }

        static int[] Tokens(GroupRequest group, int sample, PolicyVersion version) =>
            Groups.Expected(group, sample, SimulatedCluster.KeyOf, version);
    }
}
