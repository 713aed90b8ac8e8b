using Xunit;
using static Rollout.Actors.Tests.Blocks.LedgerUser;

namespace Rollout.Actors.Tests.Blocks;

public sealed class LedgerGrowthTests
{
    [Fact]
    public void A_sequence_gets_a_block_exactly_when_a_token_crosses_a_block_edge()
    {
        var user = new LedgerUser(blocks: 8);
        user.Granted([Sequence(0)], Tokens(1));
        for (var tokens = 2; tokens <= 16; tokens++)
        {
            var grant = user.Grow((Sequence(0), tokens));
            int[] appended = tokens % 4 == 1 ? [tokens / 4] : [];
            Assert.Equal(appended, grant.Changes.Select(change => change.Index));
            Assert.Empty(grant.Copies);
        }

        Assert.Equal(4, user.Usage.InUse);
    }

    [Fact]
    public void One_growth_may_need_several_blocks()
    {
        var user = new LedgerUser(blocks: 8);
        user.Granted([Sequence(0)], Tokens(3));
        Assert.Equal([1, 2, 3], user.Grow((Sequence(0), 13)).Changes.Select(change => change.Index));
    }

    [Fact]
    public void Asking_again_for_what_was_granted_changes_nothing()
    {
        var user = new LedgerUser(blocks: 8);
        user.Granted([Sequence(0)], Tokens(3));
        user.Grow((Sequence(0), 9));
        Assert.Empty(user.Grow((Sequence(0), 9)).Changes);
        Assert.Empty(user.Grow((Sequence(0), 2)).Changes);
        Assert.Equal(3, user.Usage.InUse);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(8)]
    public void G_forks_of_a_partly_filled_block_make_G_minus_1_copies(int forks)
    {
        var user = new LedgerUser(blocks: 32);
        var shared = user.Granted(Group(forks), Tokens(6)).Blocks;
        Assert.Equal(2, user.Usage.InUse);
        Assert.Equal(2 * forks, user.Usage.Logical);

        var grant = user.Grow([.. Group(forks).Select(fork => (fork, 7))]);

        Assert.Equal(forks - 1, grant.Copies.Length);
        Assert.All(grant.Copies, copy => Assert.Equal(shared[1], copy.Source));
        Assert.Equal(
            Group(forks)[..^1].Zip(grant.Copies).Select(pair => (pair.First, 1, pair.Second.Destination)),
            grant.Changes.Select(change => (change.Sequence, change.Index, change.Block)));
        Assert.Equal(1 + forks, user.Usage.InUse);
        Assert.Empty(user.Grow([.. Group(forks).Select(fork => (fork, 8))]).Copies);
    }

    [Fact]
    public void Forks_of_a_prompt_that_ends_at_a_block_edge_copy_nothing()
    {
        var user = new LedgerUser(blocks: 16);
        user.Granted(Group(4), Tokens(8));
        var grant = user.Grow([.. Group(4).Select(fork => (fork, 9))]);
        Assert.Empty(grant.Copies);
        Assert.Equal([2, 2, 2, 2], grant.Changes.Select(change => change.Index));
        Assert.Equal(2 + 4, user.Usage.InUse);
    }

    [Fact]
    public void The_last_fork_writes_in_place_when_its_siblings_left_before_it_grew()
    {
        var user = new LedgerUser(blocks: 8);
        user.Granted(Group(3), Tokens(2));
        user.Release(Sequence(0));
        user.Release(Sequence(2));
        Assert.Empty(user.Grow((Sequence(1), 3)).Copies);
    }

    [Fact]
    public void When_the_pool_is_exhausted_the_youngest_is_preempted_and_the_oldest_goes_on()
    {
        var user = new LedgerUser(blocks: 3);
        HoldAllThree(user);

        var grant = user.Grow((Sequence(0, 1), 9), (Sequence(0, 2), 5));

        Assert.Equal([Sequence(0, 2)], grant.Preempted);
        Assert.Equal(Sequence(0, 1), Assert.Single(grant.Changes).Sequence);
        Assert.Equal(1, user.Ledger.SequenceCount);
    }

    [Fact]
    public void The_needy_one_is_preempted_itself_when_it_is_the_youngest()
    {
        var user = new LedgerUser(blocks: 3);
        HoldAllThree(user);
        var grant = user.Grow((Sequence(0, 1), 8), (Sequence(0, 2), 5));
        Assert.Equal([Sequence(0, 2)], grant.Preempted);
        Assert.Empty(grant.Changes);
        Assert.Equal(1, user.Usage.Free);
    }

    [Fact]
    public void Preempting_a_sibling_can_make_a_copy_unnecessary()
    {
        var user = new LedgerUser(blocks: 1);
        user.Granted(Group(2), Tokens(2), maxLength: 4);
        var grant = user.Grow((Sequence(0), 3), (Sequence(1), 3));
        Assert.Equal([Sequence(1)], grant.Preempted);
        Assert.Empty(grant.Copies);
        Assert.Empty(grant.Changes);
    }

    [Fact]
    public void Late_growth_and_release_of_a_preempted_sequence_do_not_touch_its_next_admission()
    {
        var user = new LedgerUser(blocks: 3);
        HoldAllThree(user);
        Assert.Equal([Sequence(0, 2)], user.Grow((Sequence(0, 1), 9), (Sequence(0, 2), 5)).Preempted);

        Assert.Empty(user.Grow((Sequence(0, 1), 9), (Sequence(0, 2), 5)).Preempted);
        user.Release(Sequence(0, 1));
        user.Granted([Sequence(0, 2)], Tokens(5), maxLength: 12, admission: 1);
        user.Release(Sequence(0, 2), admission: 0);
        Assert.Empty(user.Grow((Sequence(0, 2), 9)).Changes);
        Assert.Equal(2, user.Usage.InUse);
        user.Release(Sequence(0, 2), admission: 1);
        Assert.Equal(3, user.Usage.Free);
    }

    [Fact]
    public void A_release_of_an_unknown_or_already_released_sequence_does_nothing()
    {
        var user = new LedgerUser(blocks: 4);
        user.Granted(Group(2), Tokens(4));
        user.Release(Sequence(0));
        user.Release(Sequence(0));
        user.Release(Sequence(9, group: 9));
        Assert.Equal(1, user.Usage.InUse);
        Assert.Equal(1, user.Usage.Logical);
        user.Release(Sequence(1));
        Assert.Equal(4, user.Usage.Free);
    }

    [Fact]
    public void A_release_ends_older_admissions_too()
    {
        var user = new LedgerUser(blocks: 4);
        user.Granted(1, Tokens(4));
        user.Release(Sequence(0), admission: 1);
        Assert.Equal(4, user.Usage.Free);
    }

    [Fact]
    public void Growing_past_the_longest_length_throws_with_both_numbers()
    {
        var user = new LedgerUser(blocks: 8);
        user.Granted([Sequence(0)], Tokens(3), maxLength: 5);
        var error = Assert.Throws<InvalidOperationException>(() => user.Grow((Sequence(0), 6)));
        Assert.Equal("group 1 sample 0 is to grow to 6 tokens but has at most 5", error.Message);
    }

    [Fact]
    public void Growing_twice_in_one_step_throws_even_where_one_of_them_would_be_preempted()
    {
        var user = new LedgerUser(blocks: 3);
        HoldAllThree(user);
        Assert.Throws<InvalidOperationException>(() => user.Grow((Sequence(0, 1), 8), (Sequence(0, 1), 9)));
        Assert.Throws<InvalidOperationException>(
            () => user.Grow((Sequence(0, 1), 8), (Sequence(0, 2), 5), (Sequence(0, 1), 9)));
    }

    /// <summary>Group 1 holds two full blocks of a pool of three, group 2 the third.</summary>
    private static void HoldAllThree(LedgerUser user)
    {
        user.Granted([Sequence(0, 1)], Tokens(4), maxLength: 12);
        user.Granted([Sequence(0, 2)], Tokens(4, first: 200), maxLength: 12);
        user.Grow((Sequence(0, 1), 8));
    }
}
