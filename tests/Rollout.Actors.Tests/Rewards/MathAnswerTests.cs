using FsCheck.Fluent;
using Rollout.Actors.Rewards;
using Rollout.Actors.Rewards.Answers;
using Xunit;

namespace Rollout.Actors.Tests.Rewards;

public sealed class MathAnswerTests
{
    [Fact]
    public void Answers_that_are_equal_pass_and_others_do_not_whichever_is_expected()
    {
        var cases = File.ReadLines(TestFiles.Repository("tests/Rollout.Actors.Tests/Rewards/MathAnswers.txt"))
            .Where(line => line.Length > 0 && line[0] != '#')
            .Select(line => line.Split(" ~ "))
            .ToArray();

        Assert.True(cases.Length > 350, $"only {cases.Length} cases were read");
        Assert.Equal([], cases.Where(pair =>
            MathAnswer.Same(pair[1], pair[2]) != (pair[0] == "=") || MathAnswer.Same(pair[2], pair[1]) != (pair[0] == "="))
            .Select(pair => string.Join(" ~ ", pair)));
    }

    [Theory]
    [InlineData(@"So it is \boxed{42}.", "42", 1)]
    [InlineData(@"First \boxed{1}, then \boxed{\frac{1}{2}}", "0.5", 1)]
    [InlineData(@"\boxed{\text{(A)}}", "A", 1)]
    [InlineData(@"\boxed 7", "7", 1)]
    [InlineData(@"\boxed{\{1, 2\}}", @"\{2, 1\}", 1)]
    [InlineData("It is clear.\n#### 1,234", "1234", 1)]
    [InlineData("The answer is 12.", "12", 1)]
    [InlineData("**Answer:** $\\frac{3}{4}$", "0.75", 1)]
    [InlineData("Therefore the answer is $x = 5$, as shown.", "5", 1)]
    [InlineData("we get $2\\sqrt{2}$", @"\sqrt{8}", 1)]
    [InlineData("that makes 7 of them", "7", 1)]
    [InlineData("10 - 3 leaves -3", "-3", 1)]
    [InlineData("so 45% of it", "0.45", 1)]
    [InlineData(@"The answer is \boxed{42}", @"We have $x=42$. \boxed{42}", 1)]
    [InlineData("72", "He has 72 in all.\n#### 72", 1)]
    [InlineData(@"\boxed{1}, then \boxed{2}", "1", 0)]
    [InlineData(@"\boxed{42} but then \boxed{", "42", 0)]
    [InlineData(@"\boxed{42} but then \boxed{}", "42", 0)]
    [InlineData(@"It is 42. \boxed{41}", "42", 0)]
    [InlineData(@"\boxed{41 or 42}", "42", 0)]
    [InlineData("The answer is 12, not 13", "13", 0)]
    [InlineData("", "42", 0)]
    [InlineData("I do not know", "42", 0)]
    public async Task The_final_answer_of_a_completion_is_judged(string completion, string answer, double reward) =>
        Assert.Equal(reward, await new MathReward().Score(Samples.Of(completion, answer)));

    [Fact]
    public async Task An_answer_outside_of_a_box_can_be_refused()
    {
        var reward = Assert.IsType<MathReward>(RewardRegistryTests.Create("type = math, only-boxed = on"));
        Assert.Equal(0.0, await reward.Score(Samples.Of("The answer is 42", "42")));
        Assert.Equal(1.0, await reward.Score(Samples.Of(@"\boxed{42}", "42")));
    }

    [Fact]
    public async Task A_prompt_with_an_empty_answer_is_an_error() => Assert.Equal(
        "prompt p7 has an empty answer",
        (await Assert.ThrowsAsync<InvalidDataException>(() => new MathReward().Score(Samples.Of("5", " ")))).Message);

    [Fact]
    public void No_text_is_too_strange()
    {
        string[] pieces =
        [
            "1", "2.5", ",", "x", "\\frac", "{", "}", "(", ")", "[", "]", "\\sqrt", "^", "_", "\\text{cm}", "\\boxed{", "+", "-",
            "*", "/", "=", "<", "!", "|", "\\pm", "\\{", "\\}", "\\begin{pmatrix}", "&", "\\\\", "\\end{pmatrix}", " ", "%", "$",
            "\\", "and", "sin", "\\log", "\\infty", "\\cup", "e9999", "€", "½", "\ud83d\ude00", "\0", "'", ":", ".",
        ];
        var texts = Gen.Elements(pieces).ArrayOf().Select(string.Concat);
        Prop.ForAll(texts.Two().ToArbitrary(), pair =>
        {
            _ = MathAnswer.Same(pair.Item1, pair.Item2);
            _ = AnswerText.Final(pair.Item1);
            return true;
        }).Holds();
    }

    [Fact]
    public void Answers_made_to_be_slow_are_judged_or_given_up()
    {
        var nested = Enumerable.Range(0, 9).Aggregate("1", (inside, _) => $@"\{{{inside},{inside}x\}}");
        string[] slow =
        [
            new string('(', 1999), new string('{', 900) + new string('}', 900), nested[..Math.Min(nested.Length, 1999)],
            string.Concat(Enumerable.Repeat("9^", 500)) + "9", "9^{9^{9^{9^9}}}", string.Join('+', Enumerable.Repeat("3000!", 100)),
            @"\binom{3000}{1500}^{99}", "1e9999", @"\sqrt[64]{" + new string('9', 1900) + "}", string.Concat(Enumerable.Repeat("|", 1999)),
        ];
        foreach (var text in slow)
        {
            _ = MathAnswer.Same(text, text + "1");
            _ = MathAnswer.Same("1", text);
        }
    }
}
