using FsCheck;
using FsCheck.Fluent;
using Rollout.Actors.Placement;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Placement;

public sealed class GroupBookTests
{
    [Fact]
    public void Whatever_happens_in_any_order_every_group_waits_or_is_with_one_living_decoder_and_ends_once() =>
        Prop.ForAll(Event.Histories(), history =>
        {
            var book = new CheckedBook();
            foreach (var (kind, number, decoder) in history)
                book.Apply(kind, number, decoder);
            book.FinishEverything();
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(200));

    [Fact]
    public void Groups_of_two_decoders_that_fail_one_after_the_other_wait_in_the_order_of_their_submission()
    {
        var book = new GroupBook(new PlacementPolicy(lookaheadSeqs: 0));
        book.DecoderUp(Decoder(0), 1, 2);
        book.DecoderUp(Decoder(1), 1, 2);
        for (var i = 1; i <= 5; i++)
            book.Submit(Groups.Of(i, 3, 5, 5), TimeSpan.MaxValue);
        Assert.Equal([1, 2], book.Assign().Select(assignment => assignment.Group.Id.Value));

        book.DecoderDown(Decoder(0), 1);
        book.DecoderDown(Decoder(1), 1);
        book.DecoderUp(Decoder(2), 1, 100);

        Assert.Equal([1, 2, 3, 4, 5], book.Assign().Select(assignment => assignment.Group.Id.Value));
    }

    [Fact]
    public void An_answer_to_a_group_that_was_cancelled_is_not_taken_for_one_to_its_next_submission()
    {
        var book = new GroupBook(new PlacementPolicy(lookaheadSeqs: 0));
        book.DecoderUp(Decoder(0), 1, 4);
        book.Submit(Groups.Of(1, 3, 5), TimeSpan.MaxValue);
        var before = Assert.Single(book.Assign());
        book.Cancel(before.Group.Id);
        book.Submit(Groups.Of(1, 4, 6), TimeSpan.MaxValue);
        var after = Assert.Single(book.Assign());

        Assert.False(book.End(before.Decoder, before.Group.Id, before.Attempt));
        Assert.True(book.End(after.Decoder, after.Group.Id, after.Attempt));
    }

    [Fact]
    public void A_decoder_that_is_known_to_be_gone_gets_nothing_when_its_late_word_arrives()
    {
        var book = new GroupBook(new PlacementPolicy(lookaheadSeqs: 0));
        book.DecoderDown(Decoder(0), 1);
        book.Submit(Groups.Of(1, 3, 5), TimeSpan.MaxValue);

        Assert.False(book.DecoderUp(Decoder(0), 1, 4));
        Assert.Empty(book.Assign());
        Assert.True(book.DecoderUp(Decoder(0), 2, 4));
        Assert.Single(book.Assign());
    }

    [Fact]
    public void A_new_process_at_a_lost_address_begins_with_its_first_incarnation()
    {
        var book = new GroupBook(new PlacementPolicy(lookaheadSeqs: 0));
        book.DecoderUp(Decoder(0), 3, 4);
        book.HostDown(Decoder(0).Host);

        Assert.Equal(0, book.DecoderCount);
        Assert.True(book.DecoderUp(Decoder(0), 1, 4));
    }

    [Fact]
    public void A_group_is_overdue_after_its_time_and_not_before()
    {
        var book = new GroupBook(new PlacementPolicy(lookaheadSeqs: 0));
        book.DecoderUp(Decoder(0), 1, 1);
        book.Submit(Groups.Of(1, 3, 5), TimeSpan.FromSeconds(10));
        book.Submit(Groups.Of(2, 3, 5), TimeSpan.FromSeconds(20));
        book.Assign();

        Assert.Empty(book.Overdue(TimeSpan.FromSeconds(10)));
        Assert.Equal([(new GroupId(1), Decoder(0))], book.Overdue(TimeSpan.FromSeconds(11)));
        Assert.Equal(
            [(new GroupId(1), Decoder(0)), (new GroupId(2), null)],
            book.Overdue(TimeSpan.FromSeconds(21)).OrderBy(overdue => overdue.Id.Value));
    }

    private static DecoderId Decoder(int number) => new(new HostId($"host-{number}:1", 1), "cpu");

    private enum Kind
    {
        Submit,
        Up,
        Restart,
        Down,
        HostDown,
        Finish,
        FinishStale,
        Cancel,
        Assign,
    }

    /// <summary>Numbers repeat often, so that most things happen twice.</summary>
    private readonly record struct Event(Kind Kind, int Number, int Decoder)
    {
        public static Arbitrary<Event[]> Histories() => (
            from kind in Gen.Frequency(
                (4, Gen.Constant(Kind.Submit)), (2, Gen.Constant(Kind.Finish)), (3, Gen.Constant(Kind.Assign)),
                (2, Gen.Elements(Enum.GetValues<Kind>())))
            from number in Gen.Choose(0, 11)
            from decoder in Gen.Choose(0, 3)
            select new Event(kind, number, decoder)).ArrayOf(60).ToArbitrary();
    }

    /// <summary>A book beside the plainest account of what it should say, compared after every event.</summary>
    private sealed class CheckedBook
    {
        private const int Lookahead = 3;

        private readonly GroupBook _book = new(new PlacementPolicy(Lookahead));
        private readonly Dictionary<GroupId, long> _submitted = [];             // on their way: when
        private readonly Dictionary<GroupId, Assignment> _working = [];
        private readonly Dictionary<DecoderId, (int Incarnation, int Places)> _living = [];
        private readonly List<Assignment> _everAssigned = [];
        private readonly int[] _incarnations = new int[4];
        private long _submissions;

        public void Apply(Kind kind, int number, int decoder)
        {
            var group = new GroupId(number);
            switch (kind)
            {
                case Kind.Submit:
                    var isNew = _book.Submit(Request(number), TimeSpan.Zero);
                    Assert.Equal(_submitted.TryAdd(group, _submissions++), isNew);
                    break;
                case Kind.Up when _incarnations[decoder] > 0:       // the same once more, alive or gone
                    Assert.False(_book.DecoderUp(Decoder(decoder), _incarnations[decoder], 99));
                    break;
                case Kind.Up or Kind.Restart:
                    var places = 1 + decoder * 2;
                    Assert.True(_book.DecoderUp(Decoder(decoder), ++_incarnations[decoder], places));
                    Lose(decoder);
                    _living[Decoder(decoder)] = (_incarnations[decoder], places);
                    break;
                case Kind.Down:
                    // Word of an earlier incarnation comes late; word of the present one may come twice.
                    Assert.False(_book.DecoderDown(Decoder(decoder), _incarnations[decoder] - 1));
                    Assert.Equal(
                        _living.ContainsKey(Decoder(decoder)),
                        _book.DecoderDown(Decoder(decoder), _incarnations[decoder]));
                    Lose(decoder);
                    break;
                case Kind.HostDown:
                    _book.HostDown(Decoder(decoder).Host);
                    Lose(decoder);
                    _incarnations[decoder] = 0;
                    break;
                case Kind.Finish when _working.Remove(group, out var work):
                    Assert.True(_book.End(work.Decoder, group, work.Attempt));
                    Assert.False(_book.End(work.Decoder, group, work.Attempt));
                    _submitted.Remove(group);
                    break;
                case Kind.FinishStale:
                    foreach (var stale in _everAssigned.Where(stale => !_working.ContainsValue(stale)))
                        Assert.False(_book.End(stale.Decoder, stale.Group.Id, stale.Attempt));
                    break;
                case Kind.Cancel:
                    _submitted.Remove(group);
                    var working = _book.Cancel(group);
                    Assert.Equal(_working.Remove(group, out var left), working is not null);
                    if (working is { } abort)
                        Assert.Equal((left.Decoder, left.Attempt), abort);
                    Assert.Null(_book.Cancel(group));
                    break;
                case Kind.Assign:
                    Assign();
                    break;
            }
            Compare();
        }

        public void FinishEverything()
        {
            Apply(Kind.Restart, 0, 3);
            for (var rounds = 0; _submitted.Count > 0; rounds++)
            {
                Assert.True(rounds < 100, "groups wait for ever");
                Assign();
                foreach (var id in _working.Keys.ToArray())
                    Apply(Kind.Finish, (int)id.Value, 0);
            }
            Assert.Empty(_book.Groups);
        }

        private static GroupRequest Request(int number) =>
            Groups.Of(number, 3, [.. Enumerable.Repeat(5, 1 + number % 5)]);

        private void Assign()
        {
            var assignments = _book.Assign();
            foreach (var assignment in assignments)
            {
                Assert.Contains(assignment.Decoder, _living.Keys);
                Assert.DoesNotContain(_everAssigned, earlier => earlier.Attempt == assignment.Attempt);
                Assert.True(_working.TryAdd(assignment.Group.Id, assignment), "it was with another already");
                _everAssigned.Add(assignment);
            }
            // First come first served: nobody was overtaken.
            var order = assignments.Select(assignment => _submitted[assignment.Group.Id]).ToArray();
            Assert.Equal(order.Order(), order);
            var waiting = _submitted.Where(entry => !_working.ContainsKey(entry.Key)).Select(entry => entry.Value);
            Assert.DoesNotContain(waiting, at => order.Length > 0 && at < order[^1]);
            Assert.False(waiting.Any() && _living.Keys.Any(id => _working.Values.All(work => work.Decoder != id)),
                "a decoder is idle while groups wait");
        }

        private void Lose(int decoder)
        {
            _living.Remove(Decoder(decoder));
            foreach (var work in _working.Values.Where(work => work.Decoder == Decoder(decoder)).ToArray())
                _working.Remove(work.Group.Id);
        }

        private void Compare()
        {
            Assert.Equal(_living.Count, _book.DecoderCount);
            var all = _book.Overdue(TimeSpan.MaxValue);
            Assert.Equal(_submitted.Keys.OrderBy(id => id.Value), all.Select(group => group.Id).OrderBy(id => id.Value));
            foreach (var (id, decoder) in all)
                Assert.Equal(_working.TryGetValue(id, out var work) ? work.Decoder : null, decoder);
            foreach (var (id, (_, places)) in _living)
            {
                var theirs = _working.Values.Where(work => work.Decoder == id).ToArray();
                var sequences = theirs.Sum(work => work.Group.Samples.Length);
                Assert.True(theirs.Length == 1 || sequences <= places + Lookahead, $"{id} has {sequences} sequences");
            }
        }
    }
}
