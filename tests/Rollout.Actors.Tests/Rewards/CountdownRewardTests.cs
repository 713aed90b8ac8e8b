using System.Numerics;
using FsCheck;
using FsCheck.Fluent;
using Rollout.Actors.Data;
using Rollout.Actors.Rewards;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Rewards;

public sealed class CountdownRewardTests
{
    [Theory]
    [InlineData("8-3=5 5+2=7 7*5=35\n<answer>((8-3)+2)*5</answer>", 1)]
    [InlineData("<answer> ( 8 - 3 + 2 )\n* 5 </answer> and more", 1)]
    [InlineData("<answer>8</answer><answer>(8-3+2)*5</answer>", 1)]
    [InlineData("<answer>8<answer>(8-3+2)*5</answer>", 1)]
    [InlineData("<answer>(8-3+2)*5</answer><answer>8</answer>", 0)]
    [InlineData("<answer>(8-3+2)*5", 0)]
    [InlineData("(8-3+2)*5</answer>", 0)]
    [InlineData("</answer>(8-3+2)*5<answer>", 0)]
    [InlineData("(8-3+2)*5", 0)]
    [InlineData("<answer></answer>", 0)]
    [InlineData("", 0)]
    public void The_answer_is_between_the_last_marks(string completion, double reward) =>
        Assert.Equal(reward, Score("3 5 8 2", "35", completion));

    [Theory]
    [InlineData("3 3 8 8", "24", "8/(3-8/3)", 1)]                 // through fractions
    [InlineData("[3, 3, 8, 8]", "24", "8/(3-(8/3))", 1)]          // a list as JSON writes it
    [InlineData("1 5 5 5", "24", "5*(5-1/5)", 1)]
    [InlineData("7 2", "3", "7/2", 0)]                            // 3.5 is not rounded
    [InlineData("1 2 3", "6", "1+2+3", 1)]
    [InlineData("1 2 3", "5", "2+3", 0)]                          // 1 is not used
    [InlineData("1 2 3", "8", "1+2+3+2", 0)]                      // 2 is used twice
    [InlineData("2 2 3", "7", "2+2+3", 1)]
    [InlineData("2 3", "6", "2*3*1", 0)]
    [InlineData("12 3", "15", "1+2+3", 0)]
    [InlineData("10 4 3", "3", "10-4-3", 1)]                      // from the left
    [InlineData("8 4 2", "1", "8/4/2", 1)]
    [InlineData("2 3 4", "14", "2+3*4", 1)]
    [InlineData("3 8", "5", "-3+8", 0)]                           // the game has no signs
    [InlineData("3 8", "5", "8\u22123", 0)]
    [InlineData("3 8", "24", "3\u00d78", 0)]
    [InlineData("3 8", "24", "\uff13*8", 0)]                      // a full-width digit
    [InlineData("3 8", "24", "3(8)", 0)]
    [InlineData("3 8", "38", "3 8", 0)]
    [InlineData("3 8", "11", "3+8=11", 0)]
    [InlineData("3 8", "11", "3.0+8", 0)]
    [InlineData("3 8", "11", "3+8)", 0)]
    [InlineData("3 8", "11", "(3+8", 0)]
    [InlineData("3 8", "11", "3++8", 0)]
    [InlineData("3 8", "11", "3+8\0", 0)]
    [InlineData("3 8", "11", "()3+8", 0)]
    [InlineData("3 8", "11", "__import__('os')", 0)]
    [InlineData("3 3 1", "1", "1/(3-3)", 0)]                      // division by zero
    [InlineData("3 3 0", "0", "0/(3-3)", 0)]
    public void An_answer_counts_if_it_equals_the_target_and_uses_each_number_once(
        string numbers, string target, string expression, double reward) =>
        Assert.Equal(reward, Score(numbers, target, $"<answer>{expression}</answer>"));

    [Fact]
    public void A_hostile_answer_is_wrong()
    {
        string[] hostile =
        [
            new string('(', 5_000_000) + new string(')', 5_000_000),
            new string('(', 250),
            string.Concat(Enumerable.Repeat("1+", 5_000_000)) + "1",
            string.Concat(Enumerable.Repeat("<answer>", 1_250_000)),
            string.Concat(Enumerable.Repeat("</answer>", 1_250_000)),
            new string('9', 10_000_000),
            $"{new string('9', 120)}*{new string('9', 120)}",
            new string(' ', 10_000_000) + "3+8",
        ];
        foreach (var expression in hostile)
        {
            Assert.Equal(0, Score("3 8", "11", $"<answer>{expression}</answer>"));
            Assert.Equal(0, Score("3 8", "11", expression));
        }
    }

    [Fact]
    public void Parentheses_nest_as_deep_as_the_text_allows() =>
        Assert.Equal(1, Score("3 8", "11", $"<answer>{new string('(', 126)}3+8{new string(')', 126)}</answer>"));

    [Fact]
    public void An_expression_is_right_for_its_own_value_and_numbers_alone() =>
        Prop.ForAll(Gen.Sized(size => Expression(size)).ToArbitrary(), expression =>
        {
            var numbers = string.Join(' ', expression.Numbers.Order());
            var answer = $"<answer>{expression.Text}</answer>";
            var whole = expression.Bottom != 0 && expression.Top % expression.Bottom == 0
                && expression.Top / expression.Bottom is var value && value >= 0;
            var target = whole ? expression.Top / expression.Bottom : 7;
            return expression.Text.Length > 256
                || (Score(numbers, $"{target}", answer) == (whole ? 1 : 0)
                    && Score(numbers, $"{target + 1}", answer) == 0
                    && Score(numbers + " 1", $"{target}", answer) == 0);
        }).Holds(runs: 300, size: 20);

    [Fact]
    public void Any_text_is_scored() => Prop.ForAll(
        Gen.Elements("<answer>", "</answer>", "(", ")", "1", "23", "+", "-", "*", "/", " ", "\0", "é", "\ud800").ListOf()
            .Select(string.Concat).ToArbitrary(),
        text => Score("1 23", "24", text) is 0 or 1 && Score("1 23", "24", $"<answer>{text}</answer>") is 0 or 1)
        .Holds(runs: 1000);

    [Theory]
    [InlineData("", "24", "numbers")]
    [InlineData("a b", "24", "numbers")]
    [InlineData("-3 8", "24", "numbers")]
    [InlineData("3 8", "", "target")]
    [InlineData("3 8", "2.5", "target")]
    [InlineData("3 8", "1 2", "target")]
    public void Fields_without_whole_numbers_are_an_error_that_names_prompt_and_field(
        string numbers, string target, string field)
    {
        var wrong = Assert.Throws<InvalidDataException>(() => Score(numbers, target, "<answer>3*8</answer>"));
        Assert.Contains($"prompt p7 has ", wrong.Message);
        Assert.Contains($"in field \"{field}\", expected ", wrong.Message);
    }

    private static double? Score(string numbers, string target, string completion) => new CountdownReward().Score(new ScoredSample(
        new PromptItem("p7", "", new Dictionary<string, string> { ["numbers"] = numbers, ["target"] = target }),
        completion, [1], FinishReason.Stop, MaxTokens: 64)).GetAwaiter().GetResult();

    /// <summary>An expression and its value Top / Bottom; Bottom is 0 after a division by 0.</summary>
    private sealed record Tree(string Text, BigInteger[] Numbers, BigInteger Top, BigInteger Bottom);

    private static Gen<Tree> Expression(int size) => size < 2
        ? Gen.Choose(0, 30).Select(number => new Tree($"{number}", [number], number, 1))
        : from left in Expression(size / 2)
          from right in Expression(size / 3)
          from operation in Gen.Elements('+', '-', '*', '/')
          select Joined(left, operation, right);

    private static Tree Joined(Tree a, char operation, Tree b)
    {
        var (top, bottom) = operation switch
        {
            '+' => ((a.Top * b.Bottom) + (b.Top * a.Bottom), a.Bottom * b.Bottom),
            '-' => ((a.Top * b.Bottom) - (b.Top * a.Bottom), a.Bottom * b.Bottom),
            '*' => (a.Top * b.Top, a.Bottom * b.Bottom),
            _ => (a.Top * b.Bottom, b.Bottom.IsZero ? 0 : a.Bottom * b.Top),
        };
        return new Tree($"({a.Text}{operation}{b.Text})", [.. a.Numbers, .. b.Numbers], top, bottom);
    }
}
