using FsCheck.Fluent;
using Xunit;

namespace Rollout.Actors.Tests.Topology.Downing;

/// <summary>Cut networks, frozen and overloaded processes, and whatever else breaks several links.</summary>
public sealed class BrokenNetworkTests
{
    private const int Minutes = 60;

    [Fact]
    public void The_side_with_most_schedulers_goes_on_and_everybody_else_ends()
    {
        var cluster = new JudgedCluster(schedulers: 3, decoders: 4, clients: 1);
        cluster.Run(30);

        Split(cluster, 0, 3, 4, 5, 7);
        cluster.Run(2 * Minutes);

        Assert.Equal([0, 3, 4, 5, 7], cluster.Ended);
    }

    [Fact]
    public void Of_two_schedulers_the_side_of_the_older_goes_on()
    {
        var cluster = new JudgedCluster(schedulers: 2, decoders: 3);
        cluster.Run(30);

        Split(cluster, 1, 2, 3);
        cluster.Run(2 * Minutes);

        Assert.Equal([1, 2, 3], cluster.Ended);
    }

    [Fact]
    public void Where_each_scheduler_is_alone_all_end_and_no_two_clusters_go_on()
    {
        var cluster = new JudgedCluster(schedulers: 3, decoders: 1);
        cluster.Run(30);

        Split(cluster, 0);
        Split(cluster, 1);
        Split(cluster, 2, 3);
        cluster.Run(2 * Minutes);

        Assert.Equal([0, 1, 2, 3], cluster.Ended);
    }

    [Fact]
    public void A_scheduler_that_most_decoders_can_not_reach_goes_where_the_others_reach_them()
    {
        var cluster = new JudgedCluster(schedulers: 3, decoders: 4);
        cluster.Run(30);

        foreach (var decoder in (int[])[3, 4, 5])
            cluster.CutBothWays(0, decoder);
        cluster.Run(2 * Minutes);

        Assert.Equal([0], cluster.Ended);
    }

    [Fact]
    public void A_scheduler_keeps_its_place_however_many_clients_can_not_reach_it()
    {
        var cluster = new JudgedCluster(schedulers: 3, decoders: 1, clients: 5);
        cluster.Run(30);

        for (var client = 4; client < cluster.Count; client++)
            cluster.CutBothWays(0, client);
        cluster.Run(2 * Minutes);

        Assert.Equal([4, 5, 6, 7, 8], cluster.Ended);
    }

    [Fact]
    public void Two_schedulers_that_agree_on_nothing_but_the_third_lose_one_of_them_and_not_both()
    {
        // The oldest can't reach a decoder either: it would cost two members to stay, and hears so through the third.
        var cluster = new JudgedCluster(schedulers: 3, decoders: 2);
        cluster.Run(30);

        cluster.CutBothWays(0, 1);
        cluster.CutBothWays(0, 3);
        cluster.Run(2 * Minutes);

        Assert.Equal([0], cluster.Ended);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(3)]
    public void A_process_that_is_frozen_briefly_costs_nobody(int frozen)
    {
        var cluster = new JudgedCluster(schedulers: 3, decoders: 2);
        cluster.Run(30);

        cluster.Freeze(frozen);
        cluster.Run(17);
        cluster.Thaw(frozen);
        cluster.Run(2 * Minutes);

        Assert.Empty(cluster.Ended);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(3)]
    public void A_process_that_is_frozen_for_long_ends_alone_when_it_thaws(int frozen)
    {
        var cluster = new JudgedCluster(schedulers: 3, decoders: 2);
        cluster.Run(30);

        cluster.Freeze(frozen);
        cluster.Run(2 * Minutes);
        cluster.Thaw(frozen);
        cluster.Run(2 * Minutes);

        Assert.Equal([frozen], cluster.Ended);
    }

    [Fact]
    public void The_only_scheduler_downs_nobody_after_it_was_frozen_itself()
    {
        var cluster = new JudgedCluster(schedulers: 1, decoders: 3, clients: 1);
        cluster.Run(30);

        cluster.Freeze(0);
        cluster.Run(25);
        cluster.Thaw(0);
        cluster.Run(2 * Minutes);

        Assert.Empty(cluster.Ended);
    }

    [Fact]
    public void A_thawed_scheduler_hears_those_it_had_lost_again_before_it_judges_them()
    {
        var cluster = new JudgedCluster(schedulers: 1, decoders: 1);
        cluster.Run(30);

        cluster.CutBothWays(0, 1);
        cluster.Run(8);
        cluster.Freeze(0);
        cluster.MendAll();
        cluster.Run(20);
        cluster.Thaw(0);
        cluster.Run(2 * Minutes);

        Assert.Empty(cluster.Ended);
    }

    [Fact]
    public void A_link_that_stays_broken_is_judged_though_another_one_comes_and_goes()
    {
        var cluster = new JudgedCluster(schedulers: 3, decoders: 2);

        cluster.Run(2 * Minutes, round =>
        {
            cluster.MendAll();
            cluster.CutBothWays(0, 3);
            if (round % 12 < 8)
                cluster.CutBothWays(1, 4);
        });

        Assert.Equal([3], cluster.Ended);
    }

    [Fact]
    public void A_process_that_is_frozen_again_and_again_takes_nobody_with_it()
    {
        var cluster = new JudgedCluster(schedulers: 3, decoders: 2);

        cluster.Run(10 * Minutes, round =>
        {
            if (round % 15 < 9)
                cluster.Freeze(0);
            else
                cluster.Thaw(0);
        });

        Assert.DoesNotContain(cluster.Ended, ended => ended != 0);
    }

    /// <summary>A link between two schedulers that breaks while everything else is well, beside a scheduler that was frozen.</summary>
    [Fact]
    public void A_bad_link_between_two_schedulers_costs_one_and_a_thawed_third_judges_nobody()
    {
        var cluster = new JudgedCluster(schedulers: 3, decoders: 3);
        cluster.Run(30);

        cluster.Freeze(2);
        cluster.Run(8);
        cluster.CutBothWays(0, 1);
        cluster.Thaw(2);
        cluster.Run(2 * Minutes);

        Assert.Equal([1], cluster.Ended);
    }

    [Fact]
    public void Whatever_breaks_for_good_those_that_go_on_reach_each_other_and_are_one_cluster() => Check(random =>
    {
        var cluster = Drawn(random);
        var cut = new HashSet<(int From, int To)>();
        for (var i = random.Next(1, 8); i > 0; i--)
            cut.Add((random.Next(cluster.Count), random.Next(cluster.Count)));
        cluster.Run(30);
        foreach (var (from, to) in cut)
            cluster.Cut(from, to);

        cluster.Run(5 * Minutes);

        return cluster.IsOneCluster && HasScheduler(cluster) && !cut.Any(link =>
            link.From != link.To && cluster.Left.Contains(link.From) && cluster.Left.Contains(link.To)
            && (cluster.IsScheduler(link.From) || cluster.IsScheduler(link.To)));
    });

    [Fact]
    public void Whatever_breaks_freezes_and_heals_at_any_time_those_that_go_on_are_one_cluster() => Check(random =>
    {
        var cluster = Drawn(random);

        cluster.Run(5 * Minutes, _ =>
        {
            if (random.Next(12) == 0)
                cluster.Cut(random.Next(cluster.Count), random.Next(cluster.Count));
            if (random.Next(20) == 0)
                cluster.Freeze(random.Next(cluster.Count));
            if (random.Next(20) == 0)
                cluster.Thaw(random.Next(cluster.Count));
            if (random.Next(40) == 0)
                cluster.MendAll();
        });
        cluster.MendAll();
        for (var member = 0; member < cluster.Count; member++)
            cluster.Thaw(member);
        cluster.Run(2 * Minutes);

        return cluster.IsOneCluster && HasScheduler(cluster);
    });

    private static JudgedCluster Drawn(Random random) =>
        new(random.Next(1, 4), decoders: random.Next(0, 4), clients: random.Next(0, 3));

    private static bool HasScheduler(JudgedCluster cluster) => !cluster.Left.Any() || cluster.Left.Any(cluster.IsScheduler);

    private static void Check(Func<Random, bool> holds) => Prop
        .ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed => holds(new Random(seed)).Label($"seed {seed}"))
        .Holds();

    /// <summary>These against all others.</summary>
    private static void Split(JudgedCluster cluster, params int[] side)
    {
        foreach (var one in side)
        {
            foreach (var other in Enumerable.Range(0, cluster.Count).Except(side))
                cluster.CutBothWays(one, other);
        }
    }
}
