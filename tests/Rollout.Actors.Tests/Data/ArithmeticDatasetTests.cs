using Rollout.Actors.Data;
using Xunit;

namespace Rollout.Actors.Tests.Data;

public sealed class ArithmeticDatasetTests
{
    [Fact]
    public void An_epoch_gives_every_problem_that_is_not_held_out_once()
    {
        var dataset = new ArithmeticDataset(maxOperand: 30, heldOutShare: 0.2);
        string[] train = [.. dataset.Train.Select(item => item.Prompt)];
        string[] heldOut = [.. dataset.HeldOut.Select(item => item.Prompt)];
        var all = from a in Enumerable.Range(0, 31) from b in Enumerable.Range(0, 31) select $"{a}+{b}=";
        Assert.Equal(all.Order(StringComparer.Ordinal), train.Concat(heldOut).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Every_problem_brings_its_sum()
    {
        var dataset = new ArithmeticDataset(99, 0.1);
        foreach (var item in dataset.HeldOut.Take(50).Concat(dataset.Train.Take(50)))
        {
            int[] operands = [.. item.Prompt.TrimEnd('=').Split('+').Select(int.Parse)];
            Assert.Equal($"{operands[0]}+{operands[1]}", item.Id);
            Assert.Equal($"{operands.Sum()}", item.Fields["answer"]);
        }
    }

    [Fact]
    public void What_is_held_out_depends_on_neither_order_nor_the_largest_operand()
    {
        var prompts = new ArithmeticDataset(50, 0.1).HeldOut.Select(item => item.Prompt).ToList();
        Assert.Subset(
            new ArithmeticDataset(99, 0.1).HeldOut.Select(item => item.Prompt).ToHashSet(),
            prompts.ToHashSet());
        var turned = prompts.Select(prompt =>
            string.Join('+', prompt.TrimEnd('=').Split('+').Reverse()) + "=");
        Assert.Equal(prompts.Order(), turned.Order());
    }

    [Fact]
    public void About_the_asked_share_is_held_out_and_its_beginning_is_a_fair_sample()
    {
        var dataset = new ArithmeticDataset(99, 0.1);
        Assert.InRange(dataset.HeldOut.Count, 900, 1100);
        Assert.InRange(dataset.HeldOut.Take(200).Average(item => int.Parse(item.Fields["answer"])), 88, 110);
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
            Assert.Throws<ArgumentException>(() => new ArithmeticDataset(maxOperand, share)).Message);

    [Fact]
    public void Nothing_is_held_out_where_nothing_is_asked_for()
    {
        var dataset = new ArithmeticDataset(9, 0);
        Assert.Empty(dataset.HeldOut);
        Assert.Equal(100, dataset.Train.Count);
    }
}
