using Rollout.Actors.Placement;
using Rollout.Actors.Protocol;
using Xunit;

namespace Rollout.Actors.Tests.Placement;

public sealed class DecoderWatchTests
{
    private readonly DecoderWatch _watch = new(isMembershipKnown: false);
    private readonly HostId _here = new("here:1", 1);
    private readonly HostId _there = new("there:1", 2);

    [Fact]
    public void A_scheduler_that_does_not_know_the_members_yet_knows_of_none_that_is_left()
    {
        _watch.Lost(LostOf(_here, 0, of: 1));
        Assert.Null(_watch.NobodyLeft);

        _watch.HostsUp([_here, _there]);
        Assert.Null(_watch.NobodyLeft);
        _watch.Lost(LostOf(_there, 0, of: 1));

        Assert.Contains("cuda:0 of there:1: it burnt", _watch.NobodyLeft);
    }

    [Fact]
    public void What_was_lost_before_the_members_are_known_counts_when_they_are()
    {
        _watch.Lost(LostOf(_here, 0, of: 1));

        _watch.HostsUp([_here]);

        Assert.NotNull(_watch.NobodyLeft);
        Assert.True(_watch.AllHeard);
    }

    [Fact]
    public void One_dead_device_of_two_leaves_the_other_that_was_not_heard_of()
    {
        _watch.HostsUp([_here]);
        _watch.Lost(LostOf(_here, 0, of: 2));
        Assert.Null(_watch.NobodyLeft);
        Assert.False(_watch.AllHeard);
        Assert.True(_watch.MayBringMore);

        _watch.Lost(LostOf(_here, 1, of: 2));

        Assert.NotNull(_watch.NobodyLeft);
        Assert.False(_watch.MayBringMore);
    }

    [Fact]
    public void One_that_is_lost_after_it_was_there_leaves_the_other_that_still_loads()
    {
        _watch.HostsUp([_here]);
        _watch.Heard(IdOf(_here, 0));
        _watch.Lost(LostOf(_here, 0, of: 2));
        Assert.Null(_watch.NobodyLeft);

        _watch.Heard(IdOf(_here, 1));
        _watch.Lost(LostOf(_here, 1, of: 2));

        Assert.NotNull(_watch.NobodyLeft);
        _watch.Lost(_here);             // the process ends, as it has nothing to do
        Assert.NotNull(_watch.NobodyLeft);
        _watch.HostsUp([_there]);
        Assert.Null(_watch.NobodyLeft);
    }

    [Fact]
    public void Where_a_host_dies_from_which_a_decoder_might_have_come_groups_wait_for_another()
    {
        _watch.HostsUp([_here, _there]);
        _watch.Lost(LostOf(_here, 0, of: 1));

        _watch.Lost(_there);

        Assert.Null(_watch.NobodyLeft);
    }

    [Fact]
    public void One_that_is_refused_is_waited_for_no_longer()
    {
        _watch.HostsUp([_here, _there]);
        _watch.Heard(IdOf(_here, 0));
        Assert.False(_watch.AllHeard);

        _watch.Refused(IdOf(_there, 0));

        Assert.True(_watch.AllHeard);
        Assert.False(_watch.MayBringMore);
    }

    private static DecoderId IdOf(HostId host, int device) => new(host, $"cuda:{device}");

    private static DecoderLost LostOf(HostId host, int device, int of) =>
        new(IdOf(host, device), 1, "it burnt", ComesBack: false, of);
}
