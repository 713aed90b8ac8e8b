using Rollout.Actors.Placement;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Placement;

/// <summary>A client that takes places in line, is called, and sends nothing.</summary>
public sealed class LateClientTests
{
    private const int Silent = 1;
    private const int Other = 2;

    private readonly BookRig _rig = new(queueDepth: 1);

    public LateClientTests()
    {
        // Four sequences run, four wait: there is no room.
        _rig.Join(BookRig.Here(0));
        Submit(new GroupId(1), 4);
        Submit(new GroupId(2), 4);
    }

    [Fact]
    public void It_loses_all_its_places_and_the_room_goes_to_others()
    {
        Offer(new GroupId(1, Silent), 4);
        Offer(new GroupId(2, Silent), 4);
        Offer(new GroupId(1, Other), 4);
        _rig.Book.Cancel(new GroupId(2));
        Assert.Equal([new GroupId(1, Silent)], _rig.Book.TakeCalled());

        _rig.Now += TimeSpan.FromSeconds(16);

        Assert.Equal([new GroupId(1, Silent), new GroupId(2, Silent)], _rig.Book.DropLate());
        Assert.Equal([new GroupId(1, Other)], _rig.Book.TakeCalled());
    }

    [Fact]
    public void It_holds_room_ever_more_seldom()
    {
        _rig.Book.Cancel(new GroupId(2));
        var losses = 0;
        for (var second = 0; second < 3600; second++)
        {
            _rig.Now += TimeSpan.FromSeconds(1);
            losses += _rig.Book.DropLate().Count;
            Offer(new GroupId(1, Silent), 1_000_000);
            _rig.Book.TakeCalled();
        }

        // After pauses of 15 s, 30 s, … 16 minutes.
        Assert.InRange(losses, 1, 9);
    }

    [Fact]
    public void One_that_was_late_and_sends_what_is_called_again_pauses_no_longer_the_next_time()
    {
        _rig.Book.Cancel(new GroupId(2));
        for (var times = 0; times < 5; times++)
        {
            Offer(new GroupId(1, Silent), 4);
            Assert.Single(_rig.Book.TakeCalled());
            _rig.Now += TimeSpan.FromSeconds(16);
            Assert.Single(_rig.Book.DropLate());
            Offer(new GroupId(1, Silent), 4);
            Assert.Empty(_rig.Book.TakeCalled());

            _rig.Now += TimeSpan.FromSeconds(15);
            Offer(new GroupId(1, Silent), 4);
            Assert.Single(_rig.Book.TakeCalled());
            Assert.Equal(Submission.Taken, Submit(new GroupId(1, Silent), 4));
            _rig.Book.Cancel(new GroupId(1, Silent));
        }
    }

    private Submission Submit(GroupId id, int samples) => _rig.Book.Submit(
        Groups.Of(id.Value, 4, [.. Enumerable.Repeat(8, samples)]) with { Id = id }, required: null);

    private void Offer(GroupId id, int samples) => _rig.Book.Offer(new OfferedGroup(id, samples));
}
