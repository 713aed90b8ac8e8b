using Rollout.Actors.Membership;
using Rollout.Actors.Protocol;
using Xunit;

namespace Rollout.Actors.Tests.Membership;

public sealed class RosterTests
{
    private readonly Roster<string> _roster = new(knowsHosts: false);
    private readonly HostId _here = new("here:1", 1);
    private readonly HostId _there = new("there:1", 2);

    [Fact]
    public void Before_the_members_are_known_a_decoder_may_always_come()
    {
        _roster.RecordLoss(LostOf(_here, 0, of: 1));
        Assert.Null(_roster.NobodyLeft);

        _roster.ExpectHosts([_here, _there]);
        Assert.Null(_roster.NobodyLeft);
        _roster.RecordLoss(LostOf(_there, 0, of: 1));

        Assert.Contains("cuda:0 of there:1: it burnt", _roster.NobodyLeft);
    }

    [Fact]
    public void A_loss_before_the_members_are_known_counts_when_they_are()
    {
        _roster.RecordLoss(LostOf(_here, 0, of: 1));

        _roster.ExpectHosts([_here]);

        Assert.NotNull(_roster.NobodyLeft);
        Assert.True(_roster.AllHeard);
    }

    [Fact]
    public void A_host_with_one_dead_device_of_two_is_expected_to_bring_the_other()
    {
        _roster.ExpectHosts([_here]);
        _roster.RecordLoss(LostOf(_here, 0, of: 2));
        Assert.Null(_roster.NobodyLeft);
        Assert.False(_roster.AllHeard);
        Assert.True(_roster.MayBringMore);

        _roster.RecordLoss(LostOf(_here, 1, of: 2));

        Assert.NotNull(_roster.NobodyLeft);
        Assert.False(_roster.MayBringMore);
    }

    [Fact]
    public void A_decoder_that_still_loads_is_expected_when_the_other_of_its_host_is_lost()
    {
        _roster.ExpectHosts([_here]);
        Admit(_here, 0);
        _roster.RecordLoss(LostOf(_here, 0, of: 2));
        Assert.Null(_roster.NobodyLeft);

        Admit(_here, 1);
        _roster.RecordLoss(LostOf(_here, 1, of: 2));

        Assert.NotNull(_roster.NobodyLeft);
        _roster.RecordHostLoss(_here);      // the process ends, as it has nothing to do
        Assert.NotNull(_roster.NobodyLeft);
        _roster.ExpectHosts([_there]);
        Assert.Null(_roster.NobodyLeft);
    }

    [Fact]
    public void When_a_host_dies_that_might_have_brought_a_decoder_another_may_take_its_place()
    {
        _roster.ExpectHosts([_here, _there]);
        _roster.RecordLoss(LostOf(_here, 0, of: 1));

        _roster.RecordHostLoss(_there);

        Assert.Null(_roster.NobodyLeft);
    }

    [Fact]
    public void A_refused_decoder_is_waited_for_no_longer()
    {
        _roster.ExpectHosts([_here, _there]);
        Admit(_here, 0);
        Assert.False(_roster.AllHeard);

        _roster.Refuse(IdOf(_there, 0));

        Assert.True(_roster.AllHeard);
        Assert.False(_roster.MayBringMore);
    }

    [Fact]
    public void An_ended_incarnation_is_never_admitted_again_and_its_successor_is()
    {
        Admit(_here, 0, incarnation: 3);

        Assert.Equal("3", _roster.RecordLoss(LostOf(_here, 0, incarnation: 3, comesBack: true)));

        Assert.False(_roster.Admits(IdOf(_here, 0), 2));
        Assert.False(_roster.Admits(IdOf(_here, 0), 3));
        Assert.True(_roster.Admits(IdOf(_here, 0), 4));
        Assert.True(_roster.HasAny);        // it returns
        Assert.Equal(0, _roster.Count);
    }

    [Fact]
    public void A_late_message_about_an_earlier_incarnation_changes_nothing()
    {
        Admit(_here, 0, incarnation: 2);

        Assert.Null(_roster.RecordLoss(LostOf(_here, 0, incarnation: 1)));

        Assert.Equal("2", _roster.Find(IdOf(_here, 0)));
        Assert.Null(_roster.LastLoss);
        Assert.True(_roster.Admits(IdOf(_here, 0), 2));
    }

    [Fact]
    public void A_successor_takes_the_place_of_the_incarnation_before()
    {
        Admit(_here, 0, incarnation: 1);
        Admit(_here, 0, incarnation: 2);

        Assert.Equal(["2"], _roster.Present);
        Assert.Equal(1, _roster.Count);
        Assert.False(_roster.HasOther(IdOf(_here, 0)));
    }

    [Fact]
    public void A_lost_host_takes_its_decoders_along_and_never_comes_back()
    {
        Admit(_here, 0, incarnation: 1);
        Admit(_here, 1, incarnation: 2);
        Admit(_there, 0, incarnation: 3);

        Assert.Equal(["1", "2"], _roster.RecordHostLoss(_here).Order());

        Assert.Equal(["3"], _roster.Present);
        Assert.False(_roster.Admits(IdOf(_here, 0), 9));
        Assert.Contains("whose host left or died", _roster.LastLoss);
        Assert.Empty(_roster.RecordHostLoss(_here));
        Assert.True(_roster.Admits(IdOf(_here with { Uid = 7 }, 0), 1));      // another process at its address
    }

    [Fact]
    public void An_expelled_decoder_is_not_present_until_it_is_admitted_again()
    {
        Admit(_here, 0);
        Admit(_there, 0, incarnation: 5);

        _roster.Expel(IdOf(_here, 0));

        Assert.Equal(["5"], _roster.Present);
        Assert.Equal(1, _roster.Count);
        Admit(_here, 0);
        Assert.Equal(2, _roster.Count);
    }

    private void Admit(HostId host, int device, int incarnation = 1)
    {
        Assert.True(_roster.Admits(IdOf(host, device), incarnation));
        _roster.Admit(IdOf(host, device), incarnation, incarnation.ToString());
    }

    private static DecoderId IdOf(HostId host, int device) => new(host, $"cuda:{device}");

    private static DecoderLost LostOf(
        HostId host, int device, int of = 0, int incarnation = 1, bool comesBack = false) =>
        new(IdOf(host, device), incarnation, "it burnt", comesBack, of);
}
