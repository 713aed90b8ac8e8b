using Rollout.Actors.Client;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Client;

/// <summary>What a client sends, and how often.</summary>
public sealed class SubmissionsTests
{
    private static readonly SchedulerEpoch Epoch = new(7);

    private readonly Submissions _submissions = new(client: 1);

    [Fact]
    public void A_client_that_has_no_room_sends_each_prompt_once_and_then_asks_by_id()
    {
        Add(5);
        var prompts = 0;
        var questions = 0;
        for (var second = 0; second < 60; second++)
        {
            for (var sent = Take(); sent.Count > 0; sent = Take())
            {
                prompts += sent.OfType<SubmitGroup>().Count();
                questions += sent.OfType<OfferGroups>().Count();
                foreach (var submit in sent.OfType<SubmitGroup>())
                    _submissions.Receive(new NoRoom(Epoch, submit.Group.Id));
            }
            _submissions.Tick();
        }

        Assert.Equal(5, prompts);
        Assert.InRange(questions, 1, 60);
    }

    [Fact]
    public void Ten_thousand_groups_that_run_for_a_minute_cost_few_messages_and_no_burst()
    {
        Add(10_000);
        Assert.Equal(10_000, Take().Count);
        for (var second = 1; second <= 60; second++)
        {
            _submissions.Tick();
            var sent = Take();
            Assert.InRange(sent.Count, 0, 2);
            Assert.All(sent, message => Assert.InRange(Assert.IsType<OfferGroups>(message).Groups.Length, 1, 1024));
        }
    }

    [Fact]
    public void Every_group_is_asked_after_at_least_every_ten_seconds()
    {
        Add(1003);
        Take();
        var asked = new Dictionary<GroupId, int>();
        for (var second = 1; second <= 60; second++)
        {
            _submissions.Tick();
            foreach (var offered in Take().OfType<OfferGroups>().SelectMany(offer => offer.Groups))
            {
                Assert.InRange(second - asked.GetValueOrDefault(offered.Id), 5, 10);
                asked[offered.Id] = second;
            }
        }

        Assert.Equal(1003, asked.Count);
        Assert.All(asked.Values, last => Assert.InRange(60 - last, 0, 10));
    }

    [Fact]
    public void While_some_wait_for_room_others_are_offered_by_id_and_sent_when_they_are_called()
    {
        Add(1);
        _submissions.Receive(new NoRoom(Epoch, Take().OfType<SubmitGroup>().Single().Group.Id));
        Add(2, from: 1);

        var offered = Assert.IsType<OfferGroups>(Take().Single()).Groups;
        Assert.Equal([1, 2], offered.Select(group => group.Id.Value));
        _submissions.Receive(new SendGroups(Epoch, [offered[1].Id, new GroupId(77, 1)]));
        Assert.Equal(2, Assert.IsType<SubmitGroup>(Take().Single()).Group.Id.Value);
    }

    [Fact]
    public void Acknowledgements_and_cancellations_are_sent_in_bounded_messages()
    {
        Add(5000);
        foreach (var submit in Take().OfType<SubmitGroup>().Take(2500))
            _submissions.Acknowledge(_submissions.Receive(new GroupGivenUp(Epoch, submit.Group.Id, "a reason"))!);

        var last = _submissions.Close();

        Assert.Equal(2500, last.OfType<OutcomesTaken>().Sum(taken => taken.Groups.Length));
        Assert.Equal(2500, last.OfType<CancelGroups>().Sum(cancel => cancel.Groups.Length));
        Assert.All(last.OfType<OutcomesTaken>(), taken => Assert.InRange(taken.Groups.Length, 1, 1024));
        Assert.All(last.OfType<CancelGroups>(), cancel => Assert.InRange(cancel.Groups.Length, 1, 1024));
    }

    [Fact]
    public void It_is_quiet_for_as_long_as_no_token_comes()
    {
        Add(1);
        var id = Take().OfType<SubmitGroup>().Single().Group.Id;
        foreach (var (tokens, quiet) in ((long, int)[])[(0, 1), (0, 2), (5, 0), (5, 1), (9, 0)])
        {
            _submissions.Tick();
            _submissions.Receive(new GroupsUnderway(Epoch, [new GroupProgress(id, tokens)]));
            Assert.Equal(quiet, _submissions.QuietTicks);
        }
    }

    [Fact]
    public void It_is_not_quiet_while_groups_wait_in_line_and_the_scheduler_answers()
    {
        Add(2);
        var id = Take().OfType<SubmitGroup>().First().Group.Id;
        _submissions.Receive(new NoRoom(Epoch, id));
        _submissions.Receive(new NoRoom(Epoch, id with { Value = 1 }));
        for (var second = 0; second < 10; second++)
        {
            _submissions.Tick();
            _submissions.Receive(new GroupsUnderway(Epoch, []));
            Assert.Equal(0, _submissions.QuietTicks);
        }
        _submissions.Tick();
        Assert.Equal(1, _submissions.QuietTicks);       // no answer

        // One has begun: its tokens count from now on.
        foreach (var quiet in new[] { 0, 1, 2 })
        {
            _submissions.Receive(new GroupsUnderway(Epoch, [new GroupProgress(id, 5)]));
            Assert.Equal(quiet, _submissions.QuietTicks);
            _submissions.Tick();
        }
    }

    private void Add(int count, int from = 0)
    {
        foreach (var group in Enumerable.Range(from, count).Select(i => Groups.Of(i, 10, 5)))
            _submissions.Add(group, required: null);
    }

    private IReadOnlyList<ISchedulerMessage> Take() => _submissions.TakeMessages();
}
