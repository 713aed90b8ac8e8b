using Rollout.Actors.Blocks;
using Rollout.Gpu.Contracts;
using Xunit;
using static Rollout.Actors.Tests.Blocks.LedgerUser;

namespace Rollout.Actors.Tests.Blocks;

public sealed class LedgerAdmissionTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(4, 1)]
    [InlineData(5, 2)]
    [InlineData(12, 3)]
    public void A_prompt_of_one_token_or_of_whole_blocks_gets_just_the_blocks_it_fills(int tokens, int blocks)
    {
        var user = new LedgerUser(blocks: 8);
        var granted = user.Granted([Sequence(0)], Tokens(tokens));
        Assert.Equal(blocks, granted.Blocks.Distinct().Count());
        Assert.Equal(0, granted.CachedTokens);
        Assert.Equal(blocks, user.Usage.InUse);
    }

    [Fact]
    public void All_members_of_a_group_hold_the_same_blocks()
    {
        var user = new LedgerUser(blocks: 8);
        user.Granted(Group(5), Tokens(9));
        Assert.Equal(new PoolUsage(Total: 8, Free: 5, Cached: 0, InUse: 3, Logical: 15), user.Usage);
        foreach (var member in Group(4))
            user.Release(member);
        Assert.Equal(3, user.Usage.InUse);
        user.Release(Sequence(4));
        Assert.Equal(8, user.Usage.Free);
    }

    [Fact]
    public void What_can_never_fit_is_refused_at_once_even_behind_a_deferral()
    {
        var user = new LedgerUser(blocks: 4);
        user.Granted(1, Tokens(12));
        var answers = user.Ledger.Reserve(user.Demand() with
        {
            Admissions =
            [
                new([Sequence(0, 2)], default, Tokens(8), 16),
                new([Sequence(0, 3)], default, Tokens(1), 17),
                new([Sequence(0, 4)], default, Tokens(1), int.MaxValue),
            ],
        }).Answers;
        Assert.Equal(
            [
                new AdmissionAnswer.Deferred(),
                new AdmissionAnswer.Refused(5, 4),
                new AdmissionAnswer.Refused(536870912, 4),
            ],
            answers);
    }

    [Fact]
    public void The_first_that_is_deferred_defers_those_behind_it_though_they_would_fit()
    {
        var user = new LedgerUser(blocks: 5);
        user.Granted(1, Tokens(4));
        var answers = user.Ledger.Reserve(user.Demand() with
        {
            Admissions = [new([Sequence(0, 2)], default, Tokens(16), 20), new([Sequence(0, 3)], default, Tokens(1), 16)],
        }).Answers;
        Assert.All(answers, answer => Assert.Equal(new AdmissionAnswer.Deferred(), answer));
        Assert.Equal(1, user.Usage.InUse);
    }

    [Fact]
    public void Each_member_needs_a_block_of_headroom_unless_nobody_holds_anything()
    {
        var user = new LedgerUser(blocks: 4);
        user.Granted(Group(8, group: 1), Tokens(16));
        user.Ledger.Reserve(user.Demand() with
        {
            Releases = [.. Group(8, group: 1).Select(member => new SequenceRelease(member, default))],
        });
        user.Granted([Sequence(0, 2)], Tokens(1));
        Assert.Equal(new AdmissionAnswer.Deferred(), user.Admit(Group(3, group: 3), Tokens(1)));
        user.Granted(Group(2, group: 3), Tokens(1));
    }

    [Fact]
    public void A_lone_sequence_whose_blocks_hold_its_longest_length_needs_no_headroom()
    {
        var user = new LedgerUser(blocks: 2);
        user.Granted([Sequence(0, 1)], Tokens(2), maxLength: 4);
        user.Granted([Sequence(0, 2)], Tokens(2), maxLength: 4);
        Assert.Equal(0, user.Usage.Free);
    }

    [Fact]
    public void Nobody_is_admitted_in_a_step_that_preempted()
    {
        var user = new LedgerUser(blocks: 6);
        user.Granted([Sequence(0, 1)], Tokens(12), maxLength: 24);
        user.Granted([Sequence(0, 2)], Tokens(8), maxLength: 24);
        var grant = user.Ledger.Reserve(user.Demand() with
        {
            Growth = [new(Sequence(0, 1), default, 17), new(Sequence(0, 2), default, 9)],
            Admissions = [new([Sequence(0, 3)], default, Tokens(1), 4)],
        });
        Assert.Equal([Sequence(0, 2)], grant.Preempted);
        Assert.Equal(new AdmissionAnswer.Deferred(), Assert.Single(grant.Answers));
    }

    [Fact]
    public void Sharing_into_a_sequence_that_holds_blocks_throws_and_takes_nothing()
    {
        var user = new LedgerUser(blocks: 8);
        user.Granted([Sequence(1)], Tokens(4), admission: 2);
        var error = Assert.Throws<InvalidOperationException>(
            () => user.Admit(Group(2), Tokens(8), admission: 2));
        Assert.Equal(
            "admission 2 of group 1 sample 1 asks for blocks while admission 2 holds some", error.Message);
        Assert.Throws<InvalidOperationException>(() => user.Admit(Group(2), Tokens(8), admission: 1));
        Assert.Equal(1, user.Usage.InUse);
        Assert.Null(user.Ledger.Imbalance());
    }

    [Fact]
    public void A_newer_admission_ends_the_older_one_even_if_it_has_to_wait()
    {
        var user = new LedgerUser(blocks: 4);
        user.Granted([Sequence(0, 1)], Tokens(8));
        user.Granted([Sequence(0, 2)], Tokens(4));
        Assert.Equal(new AdmissionAnswer.Deferred(), user.Admit([Sequence(0, 1)], Tokens(15), admission: 1));
        Assert.Equal(1, user.Usage.InUse);
    }

    [Fact]
    public void A_demand_under_another_policy_throws_naming_both()
    {
        var user = new LedgerUser(blocks: 4);
        var error = Assert.Throws<InvalidOperationException>(
            () => user.Ledger.Reserve(user.Demand() with { Version = new PolicyVersion(2) }));
        Assert.Equal("step 1 computes under policy 2 but the ledger is at policy 1", error.Message);
    }

    [Fact]
    public void Senseless_requests_throw_before_anything_changes()
    {
        var user = new LedgerUser(blocks: 8);
        user.Granted(1, Tokens(4));
        AdmissionRequest[] senseless =
        [
            new([], default, Tokens(1), 4),
            new(Group(1, group: 2), default, Array.Empty<int>(), 4),
            new(Group(1, group: 2), default, Tokens(5), 4),
            new([Sequence(0, 2), Sequence(0, 2)], default, Tokens(1), 4),
        ];
        foreach (var request in senseless)
        {
            Assert.Throws<InvalidOperationException>(() => user.Ledger.Reserve(
                user.Demand() with { Releases = [new(Sequence(0), default)], Admissions = [request] }));
        }

        Assert.Equal(1, user.Usage.InUse);
    }
}
