using FsCheck;
using FsCheck.Fluent;
using Rollout.Gpu.Training;
using Xunit;

namespace Rollout.Gpu.Tests.Training;

public sealed class MicroBatcherTests
{
    [Fact]
    public void Every_sequence_is_in_exactly_one_micro_batch_that_is_wide_enough_for_it() =>
        Prop.ForAll(Lengths(), Budgets(), (lengths, budget) =>
        {
            var batches = MicroBatcher.Pack(lengths, budget);
            var packed = batches.SelectMany(batch => batch.Sequences).Order();
            return packed.SequenceEqual(Enumerable.Range(0, lengths.Length))
                && batches.All(batch => batch.Sequences.Max(i => lengths[i]) == batch.Width);
        }).Holds();

    [Fact]
    public void Micro_batches_stay_within_the_budget_and_none_could_take_the_next_row() =>
        Prop.ForAll(Lengths(), Budgets(), (lengths, budget) =>
        {
            var batches = MicroBatcher.Pack(lengths, budget);
            return batches.All(batch => batch.Sequences.Length == 1 || batch.PaddedTokens <= budget)
                && batches.SkipLast(1).All(batch => batch.PaddedTokens + batch.Width > budget);
        }).Holds();

    [Fact]
    public void Neighbours_are_of_similar_length() =>
        Prop.ForAll(Lengths(), Budgets(), (lengths, budget) =>
        {
            var order = MicroBatcher.Pack(lengths, budget).SelectMany(batch => batch.Sequences).ToArray();
            return order.Zip(order.Skip(1)).All(pair => lengths[pair.First] > lengths[pair.Second]
                || (lengths[pair.First] == lengths[pair.Second] && pair.First < pair.Second));
        }).Holds();

    [Fact]
    public void A_budget_of_nothing_is_refused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => MicroBatcher.Pack([1], 0));

    private static Arbitrary<int[]> Lengths() =>
        Gen.Choose(1, 40).ListOf().Select(list => list.ToArray()).ToArbitrary();

    private static Arbitrary<int> Budgets() => Gen.Choose(1, 200).ToArbitrary();

    [Fact]
    public void A_prompt_counts_once_in_a_micro_batch_and_again_in_the_next()
    {
        int[] prompt = new int[100], other = new int[70];
        TokenSequence Of(int[] of, int completion) => new(of, new int[completion + 1]);

        var batches = MicroBatcher.PackGroups(
            [Of(prompt, 20), Of(other, 40), Of(prompt, 50), Of(prompt, 50), Of(other, 41)], tokenBudget: 210);

        Assert.Equal([[2, 3], [0], [4, 1]], batches.Select(batch => batch.Sequences));
        Assert.Equal([150, 120, 111], batches.Select(batch => batch.Width));
    }
}
