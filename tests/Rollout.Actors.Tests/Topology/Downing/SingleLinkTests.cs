using Xunit;

namespace Rollout.Actors.Tests.Topology.Downing;

/// <summary>Every single link of clusters with one and with three schedulers breaks, both ways and one way, for good.</summary>
public sealed class SingleLinkTests
{
    private const int Minutes = 60;

    public static TheoryData<int, int, int, bool> Links
    {
        get
        {
            var links = new TheoryData<int, int, int, bool>();
            foreach (var schedulers in (int[])[1, 2, 3])
            {
                for (var from = 0; from < schedulers + 4; from++)
                {
                    for (var to = 0; to < schedulers + 4; to++)
                    {
                        if (from != to)
                            links.Add(schedulers, from, to, from < to);
                    }
                }
            }
            return links;
        }
    }

    [Theory]
    [MemberData(nameof(Links))]
    public void One_broken_link_costs_at_most_the_end_that_matters_less(int schedulers, int from, int to, bool bothWays)
    {
        var cluster = new JudgedCluster(schedulers, decoders: 2, clients: 2);
        cluster.Run(30);
        cluster.Cut(from, to);
        if (bothWays)
            cluster.Cut(to, from);

        cluster.Run(10 * Minutes);

        // Members are numbered by what they matter: schedulers by age, then the others.
        int[] expected = cluster.IsScheduler(from) || cluster.IsScheduler(to) ? [Math.Max(from, to)] : [];
        Assert.Equal(expected, cluster.Ended);
    }

    [Theory]
    [MemberData(nameof(Links))]
    public void A_link_that_heals_in_time_costs_nobody(int schedulers, int from, int to, bool bothWays)
    {
        var cluster = new JudgedCluster(schedulers, decoders: 2, clients: 2);
        cluster.Run(30);
        cluster.Cut(from, to);
        if (bothWays)
            cluster.Cut(to, from);
        cluster.Run(15);

        cluster.MendAll();
        cluster.Run(10 * Minutes);

        Assert.Empty(cluster.Ended);
    }

    [Theory]
    [MemberData(nameof(Links))]
    public void A_link_that_breaks_and_heals_all_the_time_costs_at_most_one_of_its_ends(
        int schedulers, int from, int to, bool bothWays)
    {
        var cluster = new JudgedCluster(schedulers, decoders: 2, clients: 2);

        cluster.Run(10 * Minutes, round =>
        {
            cluster.MendAll();
            if (round % 12 < 8)
                cluster.Cut(from, to);
            if (bothWays && round % 12 < 8)
                cluster.Cut(to, from);
        });

        Assert.True(cluster.Ended.Count() <= 1 && cluster.Ended.All(ended => ended == from || ended == to));
    }
}
