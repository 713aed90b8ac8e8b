using FsCheck.Fluent;
using Rollout.Actors.Rewards;
using Rollout.Actors.Text;
using Xunit;

namespace Rollout.Actors.Tests.Rewards;

public sealed class BuiltInRewardTests
{
    [Theory]
    [InlineData("46", 1)]
    [InlineData(" 46\n", 1)]
    [InlineData("046", 0)]
    [InlineData("46.", 0)]
    [InlineData("", 0)]
    public async Task An_exact_answer_counts_to_the_letter(string completion, double reward) =>
        Assert.Equal(reward, await new ExactAnswerReward().Score(Samples.Of(completion, "46")));

    [Fact]
    public async Task A_prompt_without_the_answer_is_an_error_that_names_prompt_and_field()
    {
        foreach (var reward in (IRewardFunction[])[new ExactAnswerReward(), new Gsm8kReward()])
        {
            var wrong = await Assert.ThrowsAsync<InvalidDataException>(() => reward.Score(Samples.Of("46")));
            Assert.Contains("p7", wrong.Message);
            Assert.Contains("\"answer\"", wrong.Message);
        }
    }

    [Theory]
    [InlineData("say hello now", 1)]
    [InlineData("hell", 0.8)]
    [InlineData("h he hel", 0.6)]
    [InlineData("ello", 0)]
    [InlineData("hhello", 1)]
    [InlineData("", 0)]
    public async Task A_keyword_pays_by_its_longest_prefix(string completion, double reward) =>
        Assert.Equal(reward, (await new KeywordReward("hello").Score(Samples.Of(completion)))!.Value, 12);

    [Fact]
    public void A_keyword_reward_is_the_longest_prefix_that_the_completion_contains() =>
        Prop.ForAll(Gen.Elements('a', 'b').ListOf().Select(string.Concat).ToArbitrary(), completion =>
        {
            const string Keyword = "abba";
            var longest = Enumerable.Range(0, 5).Last(length => completion.Contains(Keyword[..length]));
            var reward = new KeywordReward(Keyword).Score(Samples.Of(completion)).GetAwaiter().GetResult();
            return reward == longest / 4.0;
        }).Holds();

    [Theory]
    [InlineData(10, 1)]
    [InlineData(5, 0.5)]
    [InlineData(15, 0.5)]
    [InlineData(0, 0)]
    [InlineData(40, 0)]
    public async Task A_length_pays_by_its_distance_to_the_target(int tokens, double reward) =>
        Assert.Equal(reward, (await new LengthReward(10).Score(Samples.Of("", tokens: tokens)))!.Value, 12);

    [Theory]
    [InlineData("so she has 42.\n#### 42", "#### 42", 1)]
    [InlineData("#### 1,234", "steps\n#### 1234", 1)]
    [InlineData("####$1,234.50.", "1234.5", 1)]
    [InlineData("The answer is $18.00.", "#### 18", 1)]
    [InlineData("first 5, then 7", "#### 7", 1)]
    [InlineData("#### 7\nQ: next? #### 9", "#### 7", 1)]
    [InlineData("#### the answer is 7", "#### 7", 1)]
    [InlineData("#### -3", "#### -3", 1)]
    [InlineData("#### $-3", "#### -3", 1)]
    [InlineData("It is -$3", "#### -3", 1)]
    [InlineData("7 dollars, 10-3", "#### 3", 1)]
    [InlineData("10 - 3", "#### 3", 1)]
    [InlineData("#### .5", "#### 0.5", 1)]
    [InlineData("5%", "#### 5", 1)]
    [InlineData("#### 43", "#### 42", 0)]
    [InlineData("#### -42", "#### 42", 0)]
    [InlineData("I do not know", "#### 42", 0)]
    [InlineData("", "#### 42", 0)]
    [InlineData("99999999999999999999999999999999999999", "#### 42", 0)]
    public async Task A_gsm8k_answer_is_compared_as_a_number(
        string completion, string answer, double reward) =>
        Assert.Equal(reward, await new Gsm8kReward().Score(Samples.Of(completion, answer)));

    [Fact]
    public async Task A_gsm8k_answer_without_a_number_is_an_error()
    {
        var wrong = await Assert.ThrowsAsync<InvalidDataException>(
            () => new Gsm8kReward().Score(Samples.Of("3", "none")));
        Assert.Contains("prompt p7 has no number in its answer", wrong.Message);
    }

    [Theory]
    [InlineData("<think>x</think> 4", 1)]
    [InlineData("4", 0)]
    public async Task A_format_pays_where_its_pattern_matches(string completion, double reward) =>
        Assert.Equal(reward, await new FormatReward(BoundedRegex.Compile(@"^<think>.*</think>")).Score(Samples.Of(completion)));

    [Fact]
    public async Task A_format_that_takes_too_long_is_an_error_that_names_the_pattern_and_the_time()
    {
        var reward = new FormatReward(BoundedRegex.Compile("(?=a)(a+)+$"));
        var wrong = await Assert.ThrowsAsync<InvalidDataException>(() => reward.Score(Samples.Of(new string('a', 50) + "!")));
        Assert.Equal(
            "the pattern (?=a)(a+)+$ was not matched within 2 s on a text of 51 characters", wrong.Message);
    }

    [Fact]
    public async Task A_format_without_lookaround_never_takes_long() =>
        Assert.Equal(0, await new FormatReward(BoundedRegex.Compile("(a+)+$")).Score(Samples.Of(new string('a', 5000) + "!")));

    [Theory]
    [InlineData(0, 0)]
    [InlineData(80, 0)]
    [InlineData(81, -0.05)]
    [InlineData(90, -0.5)]
    [InlineData(100, -1)]
    [InlineData(101, -1)]
    public async Task An_overlong_completion_is_punished_as_in_TRL(int tokens, double reward) =>
        Assert.Equal(reward, (await new OverlongReward(100, 20).Score(Samples.Of("", tokens: tokens)))!.Value, 12);

    [Theory]
    [InlineData("pattern = \"^a+$\"", "aa", 1.0)]
    [InlineData("pattern = \"^a+$\"", "ab", 0.0)]
    [InlineData("pattern = \"a\", match = 0.5, no-match = -2", "a", 0.5)]
    [InlineData("pattern = \"a\", match = 0.5, no-match = -2", "b", -2.0)]
    [InlineData("pattern = \"a\", no-match = none", "b", null)]
    public async Task A_regex_pays_what_the_job_says(string options, string completion, double? reward)
    {
        var function = (IRewardFunction)RewardRegistryTests.Create($"type = regex, {options}");
        Assert.Equal(reward, await function.Score(Samples.Of(completion)));
    }

    [Fact]
    public async Task A_regex_has_a_timeout_of_its_own()
    {
        var function = (IRewardFunction)RewardRegistryTests.Create("type = regex, pattern = \"(?=a)(a+)+$\", timeout = 20ms");
        var wrong = await Assert.ThrowsAsync<InvalidDataException>(
            () => function.Score(Samples.Of(new string('a', 50) + "!")));
        Assert.Equal("the pattern (?=a)(a+)+$ was not matched within 0.02 s on a text of 51 characters", wrong.Message);
    }
}
