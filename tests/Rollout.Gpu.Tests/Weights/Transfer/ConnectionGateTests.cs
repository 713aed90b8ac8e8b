using System.Net;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Gpu.Tests.Weights.Transfer;

public sealed class ConnectionGateTests
{
    private readonly ConnectionGate _gate;
    private readonly List<string> _closed = [];
    private readonly List<long> _warnings = [];

    public ConnectionGateTests() => _gate = new ConnectionGate(
        new ConnectionLimits(Peers: 2, PeersOfAddress: 2, Strangers: 3, StrangersOfAddress: 2), TimeProvider.System, _warnings.Add);

    [Fact]
    public void The_oldest_stranger_of_an_address_makes_room_for_its_next()
    {
        Enter("10.0.0.1", "first");
        Enter("10.0.0.2", "other");
        Enter("10.0.0.1", "second");

        Enter("10.0.0.1", "third");

        Assert.Equal(["first"], _closed);
        Assert.Equal(3, _gate.Count);
    }

    [Fact]
    public void The_oldest_of_all_strangers_makes_room_where_they_come_from_everywhere()
    {
        for (var i = 0; i < 5; i++)
            Enter($"10.0.0.{i}", $"{i}");

        Assert.Equal(["0", "1"], _closed);
        Assert.Equal(2, _gate.TurnedAway);
        Assert.Equal([1], _warnings);       // once a minute at most
    }

    [Fact]
    public void Strangers_that_come_at_once_are_no_more_than_the_limit()
    {
        Parallel.For(0, 200_000, i => _gate.Enter(IPAddress.Loopback, () => { }));

        Assert.Equal(2, _gate.Count);
    }

    [Fact]
    public void Strangers_take_no_peers_place()
    {
        Assert.True(_gate.TryAdmit(Enter("10.0.0.1", "peer")));
        for (var i = 0; i < 100; i++)
            Enter("10.0.0.1", "stranger");

        Assert.True(_gate.TryAdmit(Enter("10.0.0.1", "next peer")));

        Assert.DoesNotContain("peer", _closed);
    }

    [Fact]
    public void Peers_beyond_the_limit_come_in_when_one_has_left()
    {
        var first = Enter("10.0.0.1", "first");
        Assert.True(_gate.TryAdmit(first));
        Assert.True(_gate.TryAdmit(Enter("10.0.0.2", "second")));
        Assert.False(_gate.TryAdmit(Enter("10.0.0.3", "third")));

        _gate.Leave(first);

        Assert.True(_gate.TryAdmit(Enter("10.0.0.4", "fourth")));
    }

    [Fact]
    public void Who_had_to_make_room_is_not_admitted_any_more_and_leaves_once()
    {
        var first = Enter("10.0.0.1", "first");
        Enter("10.0.0.1", "second");
        Enter("10.0.0.1", "third");

        Assert.False(_gate.TryAdmit(first));
        _gate.Leave(first);

        _gate.Leave(first);

        Assert.Equal(2, _gate.Count);
        Assert.Equal(1, _gate.TurnedAway);
    }

    [Fact]
    public void Who_asked_with_the_token_of_an_earlier_offer_was_not_turned_away()
    {
        var late = Enter("10.0.0.1", "late");
        late.HasAsked = true;

        _gate.Leave(late);

        Assert.Equal(0, _gate.TurnedAway);
        Assert.Equal(0, _gate.Count);
    }

    private ConnectionGate.Guest Enter(string address, string name) =>
        _gate.Enter(IPAddress.Parse(address), () => _closed.Add(name));
}
