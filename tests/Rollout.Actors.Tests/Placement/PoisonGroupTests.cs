using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Placement;

/// <summary>A group that kills the device which works on it does not kill one after the other.</summary>
public sealed class PoisonGroupTests
{
    private readonly BookRig _rig = new();

    [Fact]
    public void A_group_fails_with_the_third_decoder_that_is_lost_while_it_works_on_it()
    {
        _rig.Join(BookRig.Here(0, incarnation: 1));
        _rig.Book.Submit(Groups.Of(1, 4, 8), required: null);
        _rig.Lose(BookRig.Here(0, incarnation: 1), comesBack: true);
        _rig.Join(BookRig.Here(0, incarnation: 2));
        _rig.Join(BookRig.Here(0, incarnation: 3));     // word of the second one's end was lost
        Assert.Null(_rig.Book.Find(new GroupId(1))!.Outcome);

        _rig.Lose(BookRig.Here(0, incarnation: 3), comesBack: true);

        var reason = _rig.Failure(new GroupId(1));
        Assert.Contains("its decoder was lost 3 times", reason);
        Assert.Contains("an illegal memory access", reason);
        Assert.Empty(BookRig.Given(_rig.Join(BookRig.Here(0, incarnation: 4))!));
    }

    [Fact]
    public void Hosts_that_die_are_no_groups_fault()
    {
        for (var i = 0; i < 5; i++)
        {
            var decoder = _rig.Join(BookRig.Here(i))!;
            _rig.Book.Submit(Groups.Of(1, 4, 8), required: null);
            Assert.Equal([(1, 0)], BookRig.Given(decoder));
            _rig.Registry.Remove(decoder.Id.Host);
        }
        Assert.Null(_rig.Book.Find(new GroupId(1))!.Outcome);
    }

    [Fact]
    public void Groups_of_two_lost_decoders_run_apart_so_that_those_without_fault_are_done()
    {
        _rig.Join(BookRig.Here(0, incarnation: 1));
        for (var i = 1; i <= 2; i++)
            _rig.Book.Submit(Groups.Of(i, 4, 8, 8), required: null);
        for (var i = 1; i <= 2; i++)
        {
            _rig.Lose(BookRig.Here(0, incarnation: i), comesBack: true);
            _rig.Join(BookRig.Here(0, incarnation: i + 1));
        }
        var third = _rig.Book.Decoders.All.Single();
        _rig.Book.Submit(Groups.Of(3, 4, 8, 8), required: null);
        Assert.Equal([(1, 0), (1, 1), (3, 0), (3, 1)], BookRig.Given(third));
        _rig.Lose(BookRig.Here(0, incarnation: 3), comesBack: true);
        var fourth = _rig.Join(BookRig.Here(0, incarnation: 4))!;

        Assert.NotNull(_rig.Book.Find(new GroupId(1))!.Outcome);
        Assert.Equal([(2, 0), (2, 1), (3, 0), (3, 1)], BookRig.Given(fourth));
    }
}
