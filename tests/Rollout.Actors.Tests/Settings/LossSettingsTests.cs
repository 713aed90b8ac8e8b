using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Settings;

public sealed class LossSettingsTests
{
    [Theory]
    [InlineData("grpo", LossType.Grpo)]
    [InlineData("dr-grpo", LossType.DrGrpo)]
    [InlineData("bnpo", LossType.Bnpo)]
    [InlineData("dapo", LossType.Dapo)]
    [InlineData("gspo", LossType.Gspo)]
    [InlineData("cispo", LossType.Cispo)]
    [InlineData("sapo", LossType.Sapo)]
    [InlineData("rloo", LossType.Rloo)]
    [InlineData("reinforce++", LossType.ReinforcePlusPlus)]
    [InlineData("reinforce++-baseline", LossType.ReinforcePlusPlusBaseline)]
    public void A_loss_type_alone_is_its_recipe(string name, LossType type) =>
        Assert.Equal(LossRecipe.Of(type), With($"train.loss-type=\"{name}\""));

    [Fact]
    public void A_key_replaces_its_part_of_the_recipe_and_no_other()
    {
        var gspo = LossRecipe.Of(LossType.Gspo);
        Assert.Equal(
            gspo with { Baseline = AdvantageBaseline.LeaveOneOut },
            With("train.loss-type=gspo", "train.baseline=leave-one-out"));
        Assert.Equal(
            gspo with { ScaleRewards = ScaleRewards.Whiten, ScaleOffset = 1e-6 },
            With("train.loss-type=gspo", "train.scale-rewards=whiten", "train.scale-offset=1e-6"));
        Assert.Equal(
            gspo with { Aggregation = LossAggregation.SeqMeanTokenSumNorm, Surrogate = Surrogate.Sapo },
            With("train.loss-type=gspo", "train.aggregation=seq-mean-token-sum-norm", "train.surrogate=sapo"));
        Assert.Equal(
            gspo with { RatioLevel = RatioLevel.SequenceSum, Delta = 3, LogRatioClamp = 20 },
            With("train.loss-type=gspo", "train.ratio-level=sequence-sum", "train.delta=3", "train.log-ratio-clamp=20"));
        Assert.Equal(
            gspo with { Beta = 0.1, KlEstimator = KlEstimator.K2, KlIn = KlIn.Reward },
            With("train.loss-type=gspo", "train.beta=0.1", "train.kl-estimator=k2", "train.kl-in=reward"));
        Assert.Equal(
            gspo with
            {
                ImportanceCorrection = ImportanceCorrection.SequenceMask,
                ImportanceCap = 2,
                ImportanceFloor = 0.5,
                ImportanceSupport = ImportanceSupport.All,
            },
            With(
                "train.loss-type=gspo",
                "train.importance-correction=sequence-mask",
                "train.importance-cap=2",
                "train.importance-floor=0.5",
                "train.importance-support=all"));
    }

    [Theory]
    [InlineData("gspo", "", 3e-4, 4e-4)]
    [InlineData("gspo", "epsilon = 0.1", 0.1, 0.1)]
    [InlineData("dapo", "epsilon-high = 0.3", 0.2, 0.3)]
    [InlineData("dapo", "epsilon = 0.1, epsilon-high = recipe", 0.1, 0.28)]
    public void Epsilon_high_is_epsilon_unless_set_and_the_recipes_where_neither_is(
        string type, string keys, double epsilon, double epsilonHigh)
    {
        var recipe = With($"train={{ loss-type = {type}, {keys} }}");
        Assert.Equal((epsilon, epsilonHigh), (recipe.Epsilon, recipe.EpsilonHigh));
    }

    [Theory]
    [InlineData(
        "loss-type = gspo\nimportance-correction = token-mask",
        "job.conf:3: rollout.train.importance-correction = \"token-mask\": expected none, token-truncate, "
        + "sequence-truncate or sequence-mask, as ratio-level is sequence")]
    [InlineData(
        "importance-correction = token-mask, ratio-level = sequence-sum",
        "job.conf:2: rollout.train.importance-correction = \"token-mask\": expected none, token-truncate, "
        + "sequence-truncate or sequence-mask, as ratio-level is sequence-sum")]
    [InlineData(
        "surrogate = policy-gradient\nnum-iterations = 2",
        "job.conf:3: rollout.train.num-iterations = 2: expected 1, as surrogate is policy-gradient, which has no ratio "
        + "to older weights")]
    [InlineData(
        "loss-type = cispo\ndelta = 9",
        "job.conf:3: rollout.train.delta = 9: expected 0, as surrogate is cispo and not clip")]
    [InlineData(
        "epsilon-high = 0.5\ndelta = 1.5",
        "job.conf:3: rollout.train.delta = 1.5: expected 0, or above 1 + epsilon-high, which is 1.5")]
    [InlineData(
        "importance-floor = 4",
        "job.conf:2: rollout.train.importance-floor = 4: expected at most importance-cap, which is 3")]
    [InlineData(
        "surrogate = none",
        "job.conf:2: rollout.train.surrogate = \"none\": expected one of clip, cispo, sapo, policy-gradient, recipe")]
    [InlineData(
        "epsilon = much",
        "job.conf:2: rollout.train.epsilon = \"much\": expected a number above 0 and at most 1, or recipe")]
    [InlineData(
        "epsilon = [0.2], epsilon-high = 0.3",
        "job.conf:2: rollout.train.epsilon = […]: expected a number or recipe")]
    public void Settings_that_contradict_each_other_are_refused_with_place_and_keys(string keys, string message)
    {
        using var folder = new TemporaryFolder();
        var job = folder.Write("job.conf", $"rollout.train {{\n{keys}\n}}");
        var error = Assert.Throws<ConfigurationException>(() => RolloutSettings.From(ConfigTree.Load(job)));
        Assert.Equal(message, error.Message.Replace(job, "job.conf"));
    }

    private static LossRecipe With(params string[] arguments) =>
        RolloutSettings.From(ConfigTree.Load(null, arguments)).Train.Loss;
}
