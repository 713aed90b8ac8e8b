using Rollout.Actors.Settings;
using Xunit;

namespace Rollout.Actors.Tests.Settings;

public sealed class DataSettingsTests
{
    [Fact]
    public void A_dataset_of_a_mix_has_its_own_keys_and_those_of_its_types_section()
    {
        using var folder = new TemporaryFolder();
        var job = folder.Write("job.conf", """
            rollout.data {
              jsonl { prompt-field = question, chat = user }
              mix = [
                { type = jsonl, train = "a.jsonl", weight = 2 }
                { type = jsonl, name = b, train = "b.jsonl", prompt-field = text }
                { type = arithmetic, max-operand = 5 }
              ]
            }
            """);
        var datasets = RolloutSettings.From(ConfigTree.Load(job)).Data.Datasets;
        Assert.Equal([("jsonl", 2.0), ("b", 1.0), ("arithmetic", 1.0)], datasets.Select(share => (share.Name, share.Weight)));
        var (a, b) = ((FileSettings)datasets[0].Dataset, (FileSettings)datasets[1].Dataset);
        Assert.Equal((folder.At("a.jsonl"), "question", ChatWrapping.User), (a.Train, a.PromptField, a.Chat));
        Assert.Equal((folder.At("b.jsonl"), "text", ChatWrapping.User), (b.Train, b.PromptField, b.Chat));
        Assert.Equal(5, ((ArithmeticSettings)datasets[2].Dataset).MaxOperand);
    }

    [Theory]
    [InlineData("type=csv", "rollout.data.csv.train is not set: expected a file of training prompts, as the type of data is csv")]
    [InlineData("mix=[{}]", "--set: rollout.data.mix[0] has no type, expected { type = NAME }")]
    [InlineData("mix=[{ type = rust }]", "--set: rollout.data.mix[0].type = \"rust\": expected one of arithmetic, keyword")]
    [InlineData("mix=[{ type = csv }]", "rollout.data.mix[0].train is not set: expected a file of training prompts")]
    [InlineData("mix=[{ type = keyword, train = x }]", "--set: rollout.data.mix[0].train = ")]
    [InlineData("countdown.min-numbers=5", "--set: rollout.data.countdown.min-numbers = 5: expected a whole number from 3 to 4")]
    [InlineData("countdown.min-tries=12", "--set: rollout.data.countdown.min-tries = 12: expected a whole number of at most max-tries = 10")]
    [InlineData("mix=[{ type = keyword, prompts = 0 }]", "--set: rollout.data.mix[0].prompts = 0: expected a whole number")]
    [InlineData("mix=[{ type = keyword, weight = 0 }]", "--set: rollout.data.mix[0].weight = 0: expected a number from")]
    [InlineData("mix=[{ type = keyword }, { type = keyword }]", "--set: rollout.data.mix[1].type = \"keyword\": expected a name that no")]
    [InlineData("curriculum.until-step=3", "rollout.data.curriculum.field is not set: expected the name of a field")]
    [InlineData("curriculum.field=level", "rollout.data.curriculum.until-step = 0 by default: expected a whole number of at least 1")]
    public void A_dataset_that_cannot_be_used_is_named_by_its_key(string setting, string complaint) =>
        Assert.StartsWith(
            complaint,
            Assert.Throws<ConfigurationException>(() => RolloutSettings.From(ConfigTree.Load(null, [$"data.{setting}"]))).Message);
}
