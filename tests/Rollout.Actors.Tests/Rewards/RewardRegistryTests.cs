using Rollout.Actors.Rewards;
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

    public ValueTask<double> ScoreAsync(ScoredSample sample, CancellationToken cancellation) => new(_score);
}

/// <summary>A reward without options.</summary>
public sealed class PlainReward : IRewardFunction
{
    public ValueTask<double> ScoreAsync(ScoredSample sample, CancellationToken cancellation) => new(3.0);
}

public sealed class RewardRegistryTests
{
    [Theory]
    [InlineData("exact-answer", "", typeof(ExactAnswerReward))]
    [InlineData("keyword", "text=hello", typeof(KeywordReward))]
    [InlineData("length", "target=20", typeof(LengthReward))]
    [InlineData("gsm8k", "", typeof(Gsm8kReward))]
    [InlineData("format", "pattern=a+", typeof(FormatReward))]
    [InlineData("Rollout.Actors.Tests.Rewards.PlainReward", "", typeof(PlainReward))]
    public void A_type_is_found_by_its_name(string type, string options, Type expected) =>
        Assert.IsType(expected, RewardRegistry.Create(type, Options(options)));

    [Fact]
    public async Task A_type_of_an_assembly_file_gets_the_other_options()
    {
        var file = typeof(FixedReward).Assembly.Location;
        var reward = RewardRegistry.Create(typeof(FixedReward).FullName!, Options($"assembly={file};score=2.5"));
        Assert.Equal(2.5, await reward.Score(Samples.Of("x")));
    }

    [Fact]
    public void An_unknown_type_is_refused_with_the_known_ones()
    {
        var wrong = Assert.Throws<ArgumentException>(() => RewardRegistry.Create("exact", Options("")));
        Assert.StartsWith("reward exact is unknown", wrong.Message);
        string[] names = ["exact-answer", "keyword (text)", "length (target)", "gsm8k", "format (pattern)"];
        foreach (var known in names)
            Assert.Contains(known, wrong.Message);
    }

    [Theory]
    [InlineData("keyword", "", "reward keyword needs the option text")]
    [InlineData("keyword", "text=", "reward keyword: ")]
    [InlineData("gsm8k", "field=x", "reward gsm8k takes no options, but field is given")]
    [InlineData("length", "target=20;unit=x", "reward length takes target, but unit is given")]
    [InlineData("length", "target=no", "reward length: target must be a number of tokens from 1, not \"no\"")]
    [InlineData("format", "pattern=(", "reward format: ")]
    [InlineData("System.String", "", "System.String is not a class that implements IRewardFunction")]
    [InlineData("Rollout.Actors.Tests.Rewards.PlainReward", "a=b", "needs a public constructor that takes")]
    [InlineData("Rollout.Actors.Tests.Rewards.FixedReward", "", "its constructor says: score is missing")]
    [InlineData("Some.Reward", "assembly=/no/where.dll", "there is no file /no/where.dll; expected the assembly with the")]
    [InlineData("Some.Reward", "assembly=Rollout.Actors.Tests.deps.json", "can't be loaded as a .NET assembly")]
    [InlineData("Some.Reward", "assembly=Rollout.Actors.dll", "Rollout.Actors.dll has no public type of")]
    public void What_cannot_be_made_is_refused_in_a_sentence(string type, string options, string complaint)
    {
        var wrong = Assert.Throws<ArgumentException>(
            () => RewardRegistry.Create(type, Options(options)));
        Assert.Contains(complaint, wrong.Message);
    }

    private static Dictionary<string, string> Options(string text) => text
        .Split(';', StringSplitOptions.RemoveEmptyEntries)
        .Select(option => option.Split('=', 2))
        .ToDictionary(
            option => option[0],
            option => option[0] == "assembly" ? Path.GetFullPath(option[1], AppContext.BaseDirectory) : option[1]);
}
