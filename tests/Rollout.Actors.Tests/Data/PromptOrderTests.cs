using FsCheck.Fluent;
using Rollout.Actors.Data;
using Xunit;

namespace Rollout.Actors.Tests.Data;

public sealed class PromptOrderTests
{
    [Fact]
    public void The_order_is_the_same_in_every_version_of_the_product() =>
        Assert.Equal([4, 3, 2, 7, 5, 6, 1, 0], Enumerable.Range(0, 8).Select(at => new PromptOrder(8, seed: 1)[at]));

    [Fact]
    public void Epochs_and_seeds_differ_and_a_cursor_always_finds_the_same()
    {
        var order = new PromptOrder(100, seed: 7);
        int[] first = [.. Enumerable.Range(0, 100).Select(at => order[at])];
        int[] second = [.. Enumerable.Range(100, 100).Select(at => order[at])];
        Assert.NotEqual(first, second);
        Assert.Equal(second[42], new PromptOrder(100, seed: 7)[142]);
        Assert.NotEqual(first, Enumerable.Range(0, 100).Select(at => new PromptOrder(100, seed: 8)[at]));
        Assert.Throws<ArgumentOutOfRangeException>(() => order[-1]);
    }

    [Fact]
    public void Every_epoch_has_each_prompt_once_with_and_without_a_curriculum() =>
        Prop.ForAll(
            Gen.Choose(1, 300).ToArbitrary(), Gen.Choose(0, 700).ToArbitrary(), Gen.Choose(0, 1 << 20).ToArbitrary(),
            (count, until, seed) =>
            {
                var order = new PromptOrder(Difficulties(count, seed), (ulong)seed, until);
                return Enumerable.Range(0, 3).All(epoch => Enumerable.Range(epoch * count, count).Select(at => order[at]).Order()
                    .SequenceEqual(Enumerable.Range(0, count)));
            }).Holds();

    [Fact]
    public void A_curriculum_goes_from_the_easiest_prompts_to_the_hardest() =>
        Prop.ForAll(
            Gen.Choose(1, 300).ToArbitrary(), Gen.Choose(1, 300).ToArbitrary(), Gen.Choose(0, 1 << 20).ToArbitrary(),
            (count, until, seed) =>
            {
                until = Math.Min(until, count);
                var difficulties = Difficulties(count, seed);
                double[] ranked = [.. difficulties.Order()];
                var order = new PromptOrder(difficulties, (ulong)seed, until);
                double[] seen = [.. Enumerable.Range(0, until).Select(at => difficulties[order[at]])];
                return seen.SequenceEqual(seen.Order())
                    && seen.Select((difficulty, at) => (difficulty, at)).All(prompt =>
                        prompt.difficulty >= ranked[prompt.at * count / until]
                        && prompt.difficulty <= ranked[((prompt.at + 1) * count / until) - 1]);
            }).Holds();

    [Fact]
    public void After_its_curriculum_an_order_is_shuffled_as_without_one()
    {
        var (plain, curriculum) = (new PromptOrder(50, seed: 3), new PromptOrder(Difficulties(50, 1), seed: 3, curriculum: 20));
        Assert.NotEqual(plain[0], curriculum[0]);
        int[] rest = [.. Enumerable.Range(20, 30).Select(at => curriculum[at])];
        Assert.NotEqual(rest.OrderBy(prompt => Difficulties(50, 1)[prompt]), rest);
        Assert.Equal(
            Enumerable.Range(0, 50).Select(at => plain[50 + at]).Order(),
            Enumerable.Range(0, 50).Select(at => curriculum[50 + at]).Order());
    }

    /// <summary>Few values, so that many prompts are equally hard.</summary>
    private static double[] Difficulties(int count, int seed) =>
        [.. Enumerable.Range(0, count).Select(i => (double)SplitMix64.Below(10, SplitMix64.Mix((ulong)seed, (ulong)i)))];
}
