using Rollout.Actors.Data;
using Xunit;

namespace Rollout.Actors.Tests.Data;

public sealed class ArithmeticDatasetTests
{
    [Fact]
    public void An_epoch_gives_every_problem_that_is_not_held_out_once()
    {
        var dataset = new ArithmeticDataset(maxOperand: 30, heldOutShare: 0.2, seed: 5);
        string[] train = [.. Enumerable.Range(0, dataset.TrainCount).Select(at => dataset.Train(at).Prompt)];
        string[] heldOut = [.. dataset.HeldOut.Select(item => item.Prompt)];
        var all = from a in Enumerable.Range(0, 31) from b in Enumerable.Range(0, 31) select $"{a}+{b}=";
        Assert.Equal(all.Order(StringComparer.Ordinal), train.Concat(heldOut).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Every_problem_brings_its_sum()
    {
        var dataset = new ArithmeticDataset(99, 0.1, seed: 1);
        foreach (var item in dataset.HeldOut.Take(50).Concat(
            Enumerable.Range(0, 50).Select(at => dataset.Train(at))))
        {
            int[] operands = [.. item.Prompt.TrimEnd('=').Split('+').Select(int.Parse)];
            Assert.Equal($"{operands[0]}+{operands[1]}", item.Id);
            Assert.Equal($"{operands.Sum()}", item.Fields["answer"]);
        }
    }

    [Fact]
    public void What_is_held_out_depends_on_neither_seed_nor_order_nor_the_largest_operand()
    {
        var prompts = new ArithmeticDataset(50, 0.1, seed: 1).HeldOut.Select(item => item.Prompt).ToList();
        Assert.Equal(prompts, new ArithmeticDataset(50, 0.1, seed: 2).HeldOut.Select(item => item.Prompt));
        Assert.Subset(
            new ArithmeticDataset(99, 0.1, seed: 1).HeldOut.Select(item => item.Prompt).ToHashSet(),
            prompts.ToHashSet());
        var turned = prompts.Select(prompt =>
            string.Join('+', prompt.TrimEnd('=').Split('+').Reverse()) + "=");
        Assert.Equal(prompts.Order(), turned.Order());
    }

    [Fact]
    public void About_the_asked_share_is_held_out_and_its_beginning_is_a_fair_sample()
    {
        var dataset = new ArithmeticDataset(99, 0.1, seed: 1);
        Assert.InRange(dataset.HeldOut.Count, 900, 1100);
        Assert.InRange(dataset.HeldOut.Take(200).Average(item => int.Parse(item.Fields["answer"])), 88, 110);
    }

    [Fact]
    public void A_resumed_run_goes_on_with_the_same_problems()
    {
        var (one, other) = (new ArithmeticDataset(9, 0.1, seed: 3), new ArithmeticDataset(9, 0.1, seed: 3));
        for (var cursor = 1_000_000_000_000L; cursor < 1_000_000_000_200L; cursor++)
            Assert.Equal(one.Train(cursor).Prompt, other.Train(cursor).Prompt);
    }

    [Theory]
    [InlineData(0, 0.1, "max-operand must be 1 to 4095, not 0")]
    [InlineData(4096, 0.1, "max-operand must be 1 to 4095, not 4096")]
    [InlineData(9, 1.0, "held-out must be a share")]
    [InlineData(9, double.NaN, "held-out must be a share")]
    [InlineData(1, 1e-9, "each needs at least one")]
    public void Impossible_settings_are_refused_by_key(int maxOperand, double share, string complaint) =>
        Assert.Contains(
            complaint,
            Assert.Throws<ArgumentException>(() => new ArithmeticDataset(maxOperand, share, 1)).Message);

    [Fact]
    public void Nothing_is_held_out_where_nothing_is_asked_for()
    {
        var dataset = new ArithmeticDataset(9, 0, seed: 1);
        Assert.Empty(dataset.HeldOut);
        Assert.Equal(100, dataset.TrainCount);
    }
}
