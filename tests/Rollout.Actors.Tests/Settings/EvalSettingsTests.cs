using Rollout.Actors.Settings;
using Xunit;

namespace Rollout.Actors.Tests.Settings;

public sealed class EvalSettingsTests
{
    [Theory]
    [InlineData(1.0, 1.0, true)]
    [InlineData(1.0, 1.5, true)]
    [InlineData(1.0, 0.99999999, true)]     // a sum of weighted rewards
    [InlineData(1.0, 0.9999, false)]
    [InlineData(1.0, double.NaN, false)]
    [InlineData(double.MinValue, double.NaN, false)]
    [InlineData(0.0, 0.0, true)]
    [InlineData(0.0, -1e-9, false)]
    [InlineData(-2.0, -2.000001, true)]
    [InlineData(1000.0, 999.9999, true)]
    public void A_reward_is_right_from_the_limit_on_but_for_its_rounding(double rightAt, double reward, bool right) =>
        Assert.Equal(right, (RolloutSettings.From(ConfigTree.Load()).Eval with { RightAt = rightAt }).IsRight(reward));

    [Theory]
    [InlineData(0, "[]", new int[0])]
    [InlineData(8, "[]", new[] { 8 })]
    [InlineData(8, "[4, 1, 8, 4]", new[] { 1, 4, 8 })]
    public void The_k_of_pass_at_k_are_in_order_and_the_samples_by_default(int samples, string passAt, int[] expected) =>
        Assert.Equal(expected, Read($"samples={samples}", $"pass-at={passAt}").PassAt);

    [Fact]
    public void The_temperature_is_that_of_sampling_unless_set()
    {
        Assert.Equal(0.6, RolloutSettings.From(ConfigTree.Load(overrides: ["sampling.temperature=0.6"])).Eval.Temperature);
        Assert.Equal(0.3, Read("temperature=0.3").Temperature);
    }

    [Fact]
    public void A_set_has_its_own_keys_and_those_of_its_types_section()
    {
        using var folder = new TemporaryFolder();
        var job = folder.Write("job.conf", """
            rollout.data.jsonl { train = "t.jsonl", held-out = "h.jsonl", prompt-field = question }
            rollout.eval.sets = [
              { type = jsonl, held-out = "a.jsonl" }
              { type = jsonl, name = b, held-out = "b.jsonl", prompt-field = text }
              { type = arithmetic, max-operand = 5 }
            ]
            """);

        var sets = RolloutSettings.From(ConfigTree.Load(job)).Eval.Sets;

        Assert.Equal(["jsonl", "b", "arithmetic"], sets.Select(set => set.Name));
        var (a, b) = ((FileSettings)sets[0].Dataset, (FileSettings)sets[1].Dataset);
        Assert.Equal((folder.At("a.jsonl"), "", "question"), (a.HeldOut, a.Train, a.PromptField));
        Assert.Equal((folder.At("b.jsonl"), "", "text"), (b.HeldOut, b.Train, b.PromptField));
        Assert.Equal(5, ((ArithmeticSettings)sets[2].Dataset).MaxOperand);
    }

    [Theory]
    [InlineData("--set: rollout.eval.temperature = 0: expected at least 0.00001, as rollout.eval.samples is 2", "samples=2", "temperature=0")]
    [InlineData("--set: rollout.eval.pass-at = […]: expected numbers of at most 4, not 8, as rollout.eval.samples is 4", "samples=4", "pass-at=[1, 8]")]
    [InlineData("--set: rollout.eval.pass-at = […]: expected numbers of at most 0, not 1, as rollout.eval.samples is 0", "pass-at=[1]")]
    [InlineData("--set: rollout.eval.pass-at = […]: expected a list of whole numbers of at least 1", "samples=4", "pass-at=[0]")]
    [InlineData("--set: rollout.eval.pass-at = […]: expected a list of whole numbers of at least 1", "samples=4", "pass-at=[a]")]
    [InlineData("--set: rollout.eval.samples = -1: expected a whole number", "samples=-1")]
    [InlineData("--set: rollout.eval.sets[0] has no type, expected { type = NAME }", "sets=[{}]")]
    [InlineData("--set: rollout.eval.sets[0] has no held-out, expected { held-out = FILE }", "sets=[{ type = csv }]")]
    [InlineData("--set: rollout.eval.sets[0].train = \"", "sets=[{ type = csv, held-out = a, train = b }]")]
    [InlineData("--set: rollout.eval.sets[0].weight = 2: expected one of type, name, max-operand", "sets=[{ type = arithmetic, weight = 2 }]")]
    [InlineData("--set: rollout.eval.sets[0].name = \"a b\": expected a name of letters", "sets=[{ type = arithmetic, name = a b }]")]
    [InlineData("--set: rollout.eval.sets[0].name = \"held-out\": expected a name of letters", "sets=[{ type = arithmetic, name = held-out }]")]
    [InlineData("--set: rollout.eval.sets[1].type = \"arithmetic\": expected a name of letters", "sets=[{ type = arithmetic }, { type = arithmetic }]")]
    public void What_cannot_be_evaluated_is_refused_by_its_keys(string complaint, params string[] settings) =>
        Assert.StartsWith(complaint, Assert.Throws<ConfigurationException>(() => Read(settings)).Message);

    private static EvalSettings Read(params string[] settings) =>
        RolloutSettings.From(ConfigTree.Load(overrides: [.. settings.Select(setting => $"eval.{setting}")])).Eval;
}
