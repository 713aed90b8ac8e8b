using Rollout.Actors.Rewards;
using Rollout.Actors.Settings;
using Xunit;

namespace Rollout.Actors.Tests.Rewards;

/// <summary>A reward as a user writes one; the registry finds it by its full name.</summary>
public sealed class FixedReward : IRewardFunction
{
    private readonly double _score;

    public FixedReward(IReadOnlyDictionary<string, string> options) =>
        _score = options.TryGetValue("score", out var score)
            ? double.Parse(score)
            : throw new ArgumentException("score is missing");

    public ValueTask<double?> ScoreAsync(ScoredSample sample, CancellationToken cancellation) => new(_score);
}

/// <summary>A reward without options.</summary>
public sealed class PlainReward : IRewardFunction
{
    public ValueTask<double?> ScoreAsync(ScoredSample sample, CancellationToken cancellation) => new(3.0);
}

public sealed class RewardRegistryTests
{
    private static readonly string Here = typeof(FixedReward).Assembly.Location;

    [Theory]
    [InlineData("type = exact-answer", typeof(ExactAnswerReward))]
    [InlineData("type = countdown", typeof(CountdownReward))]
    [InlineData("type = keyword, text = hello", typeof(KeywordReward))]
    [InlineData("type = length, target = 20", typeof(LengthReward))]
    [InlineData("type = gsm8k, name = right, weight = 2", typeof(Gsm8kReward))]
    [InlineData("type = format, pattern = a+", typeof(FormatReward))]
    [InlineData("type = Rollout.Actors.Tests.Rewards.PlainReward", typeof(PlainReward))]
    public void A_type_is_found_by_its_name(string reward, Type expected) => Assert.IsType(expected, Create(reward));

    [Fact]
    public async Task A_type_of_an_assembly_file_gets_the_other_options()
    {
        var reward = Assert.IsType<FixedReward>(
            Create($"type = {typeof(FixedReward).FullName}, assembly = \"{Here}\", score = 2.5, weight = 3"));
        Assert.Equal(2.5, await reward.Score(Samples.Of("x")));
    }

    [Theory]
    [InlineData("type = exact", "job.conf:2: reward exact is unknown; expected countdown, exact-answer, format, gsm8k, http, keyword, ")]
    [InlineData("type = exact-anser", "job.conf:2: reward exact-anser is unknown; did you mean exact-answer?")]
    [InlineData("type = keyword, txt = a", "job.conf:2: reward keyword needs the option text, and has txt")]
    [InlineData("type = keyword", "job.conf:2: reward keyword needs the option text")]
    [InlineData("type = keyword, text = \"\"", "job.conf:2: rollout.rewards[0].text = \"\": expected a text")]
    [InlineData(
        "type = gsm8k, field = x",
        "job.conf:2: rollout.rewards[0].field = \"x\": expected no option but name and weight, as reward gsm8k takes none")]
    [InlineData(
        "type = length, target = 20, unit = x",
        "job.conf:2: rollout.rewards[0].unit = \"x\": expected an option of reward length: target")]
    [InlineData("type = length, target = no", "job.conf:2: rollout.rewards[0].target = \"no\": expected a whole number")]
    [InlineData("type = length, target = 0", "job.conf:2: rollout.rewards[0].target = 0: expected a whole number of at least 1")]
    [InlineData("type = format, pattern = \"(\"", "job.conf:2: rollout.rewards[0].pattern = \"(\": expected a regular expression")]
    [InlineData("type = regex, pattern = a, timeout = 5", "rewards[0].timeout = 5: expected a duration with its unit")]
    [InlineData("type = regex, pattern = a, match = x", "job.conf:2: rollout.rewards[0].match = \"x\": expected a number")]
    [InlineData("type = overlong", "job.conf:2: reward overlong needs the option cache")]
    [InlineData("type = overlong, cache = 65", "job.conf:2: rollout.rewards[0].cache = 65: expected a whole number from 1 to 64")]
    [InlineData("type = overlong, max-length = 9, cache = 10", "rewards[0].cache = 10: expected a whole number from 1 to 9")]
    [InlineData("type = System.String", "System.String implements none of IRewardFunction, IGroupReward and IBatchReward")]
    [InlineData("type = Rollout.Actors.Tests.Rewards.PlainReward, a = b", "needs a public constructor that takes")]
    [InlineData("type = Rollout.Actors.Tests.Rewards.FixedReward", "its constructor says: score is missing")]
    [InlineData("type = Rollout.Actors.Tests.Rewards.FixedReward, score = []", "score = […]: expected a text")]
    [InlineData("type = Some.Reward, assembly = /no/where.dll", "there is no file /no/where.dll")]
    [InlineData("type = Some.Reward, assembly = job.conf", "can't be loaded as a .NET assembly")]
    public void What_can_not_be_used_is_refused_with_its_place(string reward, string sentence) =>
        Assert.Contains(sentence, Assert.Throws<ConfigurationException>(() => Create(reward)).Message);

    [Fact]
    public void A_type_that_the_assembly_lacks_is_refused() => Assert.Contains(
        "has no public type of that full name",
        Assert.Throws<ConfigurationException>(() => Create($"type = Some.Reward, assembly = \"{Here}\"")).Message);

    internal static IReward Create(string reward, int maxTokens = 64)
    {
        using var folder = new TemporaryFolder();
        var job = folder.At("job.conf");
        File.WriteAllText(job, $"# A job.\nrollout.rewards = [{{ {reward} }}]\n");
        var settings = RolloutSettings.From(ConfigTree.Load(job)).Rewards;
        return RewardSet.Create(settings, maxTokens).Functions[0].Function;
    }
}
