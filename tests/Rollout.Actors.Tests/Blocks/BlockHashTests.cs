using FsCheck.Fluent;
using Rollout.Actors.Blocks;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Blocks;

public sealed class BlockHashTests
{
    [Fact]
    public void Two_blocks_have_one_hash_only_if_tokens_beginnings_and_policies_are_equal() =>
        Prop.ForAll<(int[] Tokens, int Place, byte Change)>(sample =>
        {
            int[] tokens = [.. sample.Tokens, 1, 2, 3, 4];
            var changed = tokens.ToArray();
            var place = (int)((uint)sample.Place % (uint)tokens.Length);
            changed[place] ^= 1 << (sample.Change % 32);
            var chain = BlockHash.Chain(tokens, 2, new PolicyVersion(1));
            var other = BlockHash.Chain(changed, 2, new PolicyVersion(1));
            var later = BlockHash.Chain(tokens, 2, new PolicyVersion(2));
            return chain.SequenceEqual(BlockHash.Chain(tokens, 2, new PolicyVersion(1)))
                && chain.Distinct().Count() == chain.Length
                && Enumerable.Range(0, chain.Length).All(i => chain[i] == other[i] == i < place / 2)
                && !chain.Intersect(later).Any();
        }).Holds();

    [Theory]
    [InlineData(16)]
    [InlineData(251)]
    [InlineData(252)]
    [InlineData(1024)]
    public void Blocks_of_any_size_are_hashed_to_their_last_token(int size)
    {
        var tokens = new int[size];
        var zeros = BlockHash.After(BlockHash.Root, tokens, new PolicyVersion(0));
        tokens[^1] = 1;
        Assert.NotEqual(zeros, BlockHash.After(BlockHash.Root, tokens, new PolicyVersion(0)));
        Assert.Empty(BlockHash.Chain(tokens.AsSpan(1), size, new PolicyVersion(0)));
    }
}
