using Rollout.Actors.Blocks;
using Rollout.Gpu.Contracts;
using Xunit;
using static Rollout.Actors.Tests.Blocks.LedgerUser;

namespace Rollout.Actors.Tests.Blocks;

public sealed class LedgerPrefixTests
{
    [Fact]
    public void A_prompt_that_begins_alike_reuses_the_written_full_blocks()
    {
        var user = new LedgerUser(blocks: 16);
        var first = user.Granted(1, Tokens(10));
        user.Write(Sequence(0, 1), 10);
        var second = user.Granted(2, [.. Tokens(8), 7, 7, 7]);
        Assert.Equal(8, second.CachedTokens);
        Assert.Equal(first.Blocks[..2], second.Blocks[..2]);
        Assert.NotEqual(first.Blocks[2], second.Blocks[2]);
        Assert.Equal(4, user.Usage.InUse);
    }

    [Fact]
    public void Equal_tokens_after_a_different_beginning_are_no_hit()
    {
        var user = new LedgerUser(blocks: 16);
        user.Cache(1, [1, 1, 1, 1, 5, 5, 5, 5]);
        Assert.Equal(0, user.Granted(2, [2, 1, 1, 1, 5, 5, 5, 5, 9]).CachedTokens);
        Assert.Equal(0, user.Granted(3, [5, 5, 5, 5, 9]).CachedTokens);
    }

    [Theory]
    [InlineData(4, 0)]
    [InlineData(5, 4)]
    [InlineData(8, 4)]
    [InlineData(9, 8)]
    public void A_wholly_cached_prompt_still_computes_its_last_token(int tokens, int cached)
    {
        var user = new LedgerUser(blocks: 16);
        user.Cache(1, Tokens(tokens));
        var granted = user.Granted(2, Tokens(tokens));
        Assert.Equal(cached, granted.CachedTokens);
        user.Write(Sequence(0, 2), tokens);
        user.Release(Sequence(0, 2));
        Assert.Equal(tokens / 4, user.Usage.Cached);
    }

    [Fact]
    public void A_step_that_was_aborted_before_its_KV_was_written_leaves_nothing_to_hit()
    {
        var user = new LedgerUser(blocks: 16);
        user.Granted(1, Tokens(9));
        user.Release(Sequence(0, 1));
        user.Write(Sequence(0, 1), 9);
        Assert.Equal(16, user.Usage.Free);
        Assert.Equal(0, user.Granted(2, Tokens(9)).CachedTokens);
    }

    [Fact]
    public void Only_what_was_written_can_be_hit_of_a_prompt_that_is_computed_in_chunks()
    {
        var user = new LedgerUser(blocks: 16);
        user.Granted(1, Tokens(12));
        user.Write(Sequence(0, 1), 7);
        Assert.Equal(4, user.Granted(2, Tokens(12)).CachedTokens);
        user.Write(Sequence(0, 1), 8);
        Assert.Equal(8, user.Granted(3, Tokens(12)).CachedTokens);
    }

    [Fact]
    public void Of_two_equal_prompts_in_one_step_only_the_first_is_registered()
    {
        var user = new LedgerUser(blocks: 16);
        var first = user.Granted(1, Tokens(8));
        var second = user.Granted(2, Tokens(8));
        Assert.Empty(first.Blocks.Intersect(second.Blocks));
        user.Ledger.Reserve(
            user.Demand() with { Written = [new(Sequence(0, 1), default, 8), new(Sequence(0, 2), default, 8)] });
        Assert.Equal(first.Blocks, user.Granted(3, Tokens(9)).Blocks[..2]);
        user.Release(Sequence(0, 2));
        Assert.Equal(0, user.Usage.Cached);
    }

    [Fact]
    public void An_evicted_block_is_missed_though_a_later_one_of_its_prompt_may_be_there()
    {
        var user = new LedgerUser(blocks: 4);
        user.Cache(1, Tokens(12));
        Assert.Equal(3, user.Usage.Cached);
        user.Granted([Sequence(0, 2)], Tokens(13, first: 500));
        user.Release(Sequence(0, 2));
        Assert.Equal(0, user.Granted(3, Tokens(13)).CachedTokens);
    }

    [Fact]
    public void A_prompts_last_blocks_are_evicted_before_its_first()
    {
        var user = new LedgerUser(blocks: 4);
        user.Cache(1, Tokens(12));
        user.Granted([Sequence(0, 2)], Tokens(8, first: 500));
        user.Release(Sequence(0, 2));
        Assert.Equal(8, user.Granted(3, Tokens(13)).CachedTokens);
    }

    [Fact]
    public void The_least_recently_used_prompt_is_evicted_first()
    {
        var user = new LedgerUser(blocks: 4);
        user.Cache(1, Tokens(5, first: 100));
        user.Cache(2, Tokens(5, first: 200));
        user.Cache(1, Tokens(5, first: 100));
        user.Granted([Sequence(0, 3)], Tokens(12, first: 300));
        user.Release(Sequence(0, 3));
        Assert.Equal(4, user.Granted(4, Tokens(5, first: 100)).CachedTokens);
        user.Release(Sequence(0, 4));
        Assert.Equal(0, user.Granted(5, Tokens(5, first: 200)).CachedTokens);
    }

    [Fact]
    public void The_blocks_that_a_prompt_hits_are_not_counted_as_room_for_the_rest_of_it()
    {
        var user = new LedgerUser(blocks: 4);
        user.Cache(1, Tokens(9));
        user.Granted([Sequence(0, 2)], [1]);
        Assert.Equal(new AdmissionAnswer.Deferred(), user.Admit([Sequence(0, 3)], Tokens(9)));
        Assert.Equal(2, user.Usage.Cached);
        user.Release(Sequence(0, 2));
        Assert.Equal(8, user.Granted(3, Tokens(9)).CachedTokens);
    }

    [Fact]
    public void A_policy_update_frees_the_cached_blocks_and_those_in_use_once_they_are_released()
    {
        var user = new LedgerUser(blocks: 16);
        user.Cache(1, Tokens(9, first: 500));
        user.Granted(2, Tokens(9));
        user.Write(Sequence(0, 2), 9);

        user.Ledger.ResetPolicy(new PolicyVersion(2));

        Assert.Equal(new PoolUsage(16, Free: 13, Cached: 0, InUse: 3, Logical: 3), user.Usage);
        Assert.Equal(0, user.Granted(3, Tokens(9)).CachedTokens);
        user.Write(Sequence(0, 2), 9);
        Assert.Equal(0, user.Granted(4, Tokens(9)).CachedTokens);
        user.Release(Sequence(0, 2));
        Assert.Equal(0, user.Usage.Cached);
        user.Write(Sequence(0, 3), 9);
        Assert.Equal(8, user.Granted(5, Tokens(9)).CachedTokens);
    }

    [Fact]
    public void After_any_policy_update_no_older_block_can_be_hit_whatever_its_number()
    {
        var user = new LedgerUser(blocks: 16);
        user.Ledger.ResetPolicy(new PolicyVersion(2));
        user.Cache(1, Tokens(9));
        Assert.Equal(2, user.Usage.Cached);
        user.Ledger.ResetPolicy(new PolicyVersion(2));
        Assert.Equal(0, user.Usage.Cached);
        user.Cache(1, Tokens(9));
        user.Ledger.ResetPolicy(new PolicyVersion(1));
        Assert.Equal(0, user.Usage.Cached);
    }

    [Fact]
    public void A_preempted_sequence_hits_its_own_prompt_when_it_comes_back()
    {
        var user = new LedgerUser(blocks: 4);
        user.Granted([Sequence(0, 1)], Tokens(4, first: 500), maxLength: 12);
        user.Granted([Sequence(0, 2)], Tokens(8));
        user.Write(Sequence(0, 2), 8);
        user.Grow((Sequence(0, 1), 5), (Sequence(0, 2), 8));
        Assert.Equal([Sequence(0, 2)], user.Grow((Sequence(0, 1), 9), (Sequence(0, 2), 9)).Preempted);
        user.Release(Sequence(0, 1));
        Assert.Equal(4, user.Granted([Sequence(0, 2)], Tokens(9), admission: 1).CachedTokens);
    }

    [Fact]
    public void Without_prefix_caching_nothing_is_cached()
    {
        var user = new LedgerUser(blocks: 16, prefixCaching: false);
        user.Cache(1, Tokens(9));
        Assert.Equal(16, user.Usage.Free);
        Assert.Equal(0, user.Granted(2, Tokens(9)).CachedTokens);
    }
}
