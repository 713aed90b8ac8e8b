using System.Text.Json;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Tests.Support;
using Rollout.Gpu.Training.Losses;
using Xunit;

namespace Rollout.Gpu.Tests.Training.Losses;

/// <summary>Losses, gradients and advantages that another program computed in float64.</summary>
public sealed class GoldenLossTests(ITestOutputHelper output)
{
    private const double Tolerance = 1e-10;

    private static readonly LossRecipe Grpo = LossRecipe.Of(LossType.Grpo);

    private static readonly LossRecipe Dapo = LossRecipe.Of(LossType.Dapo);

    private static readonly Dictionary<string, LossRecipe> Recipes = new()
    {
        ["grpo"] = Grpo,
        ["grpo/scale-none"] = Grpo with { ScaleRewards = ScaleRewards.None },
        ["grpo/scale-batch"] = Grpo with { ScaleRewards = ScaleRewards.Batch },
        ["bnpo"] = LossRecipe.Of(LossType.Bnpo),
        ["dr-grpo"] = LossRecipe.Of(LossType.DrGrpo),
        ["dapo"] = Dapo,
        ["gspo"] = LossRecipe.Of(LossType.Gspo) with { Epsilon = 0.2, EpsilonHigh = 0.2 },
        ["cispo/trl, bound 5"] = LossRecipe.Of(LossType.Cispo),
        ["cispo/two-sided 0.2, 0.28"] =
            LossRecipe.Of(LossType.Cispo) with { Epsilon = 0.2, EpsilonHigh = 0.28 },
        ["rloo/sequence ratio, beta 0"] = LossRecipe.Of(LossType.Rloo),
        ["reinforce++"] = LossRecipe.Of(LossType.ReinforcePlusPlus),
        ["reinforce++-baseline"] = LossRecipe.Of(LossType.ReinforcePlusPlusBaseline),
        ["grpo/delta 1.5"] = Grpo with { Delta = 1.5 },
        ["grpo/dual clip 3"] = Grpo with { Delta = 3 },
        ["grpo/beta 0.04 k1"] = Grpo with { Beta = 0.04, KlEstimator = KlEstimator.K1 },
        ["grpo/beta 0.04 k2"] = Grpo with { Beta = 0.04, KlEstimator = KlEstimator.K2 },
        ["grpo/beta 0.04 k3"] = Grpo with { Beta = 0.04 },
        ["dapo/is token-truncate 2"] = Dapo with
        {
            ImportanceCorrection = ImportanceCorrection.TokenTruncate,
            ImportanceCap = 2,
        },
        ["dapo/is token-mask 0.5..2"] = Dapo with
        {
            ImportanceCorrection = ImportanceCorrection.TokenMask,
            ImportanceFloor = 0.5,
            ImportanceCap = 2,
        },
        ["dapo/is sequence-truncate 3"] =
            Dapo with { ImportanceCorrection = ImportanceCorrection.SequenceTruncate },
        ["dapo/is sequence-mask 3"] =
            Dapo with { ImportanceCorrection = ImportanceCorrection.SequenceMask },
    };

    public static TheoryData<string> Names() => [.. Recipes.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Loss_and_gradient_equal_the_golden_ones(string name)
    {
        var golden = GoldenFile.Read();
        var (loss, gradient) = golden.Recipe(name);
        var slopes = gradient.SelectMany(row => row).ToArray();
        var (lossError, gradientError) = (0.0, 0.0);
        foreach (var padded in (ReadOnlySpan<bool>)[true, false])
        {
            foreach (var rowsAtOnce in (ReadOnlySpan<int>)[20, 7, 1])
            {
                var actual = golden.Batch(Recipes[name]).Run(Recipes[name], padded, rowsAtOnce);

                var offLoss = Math.Abs(actual.Loss / loss - 1);
                var found = actual.Gradient.SelectMany(row => row);
                var offGradient = slopes.Zip(found, (one, other) => Math.Abs(one - other)).Max()
                    / slopes.Max(Math.Abs);
                (lossError, gradientError) =
                    (Math.Max(lossError, offLoss), Math.Max(gradientError, offGradient));
            }
        }

        output.WriteLine($"{name}: relative error of the loss {lossError:E1}, of the gradient {gradientError:E1}");
        Assert.InRange(lossError, 0, Tolerance);
        Assert.InRange(gradientError, 0, Tolerance);
    }

    [Fact]
    public void Every_golden_recipe_is_tested() => Assert.Equal(GoldenFile.Read().Names, Recipes.Keys);

    [Theory]
    [InlineData("group", AdvantageBaseline.Group, ScaleRewards.Group, 1e-4)]
    [InlineData("none", AdvantageBaseline.Group, ScaleRewards.None, 0)]
    [InlineData("batch", AdvantageBaseline.Group, ScaleRewards.Batch, 1e-4)]
    [InlineData("leave_one_out", AdvantageBaseline.LeaveOneOut, ScaleRewards.None, 0)]
    [InlineData("reinforce_pp", AdvantageBaseline.None, ScaleRewards.Whiten, 1e-8)]
    [InlineData("reinforce_pp_baseline", AdvantageBaseline.Group, ScaleRewards.Whiten, 1e-8)]
    public void Advantages_equal_the_golden_ones(
        string name, AdvantageBaseline baseline, ScaleRewards scale, double offset)
    {
        var golden = GoldenFile.Read();
        var recipe = Grpo with { Baseline = baseline, ScaleRewards = scale, ScaleOffset = offset };
        foreach (var (expected, found) in golden.Advantages(name).Zip(golden.Batch(recipe).Advantages))
            Assert.Equal(expected, found, Tolerance);
    }

    /// <summary>The file of golden numbers.</summary>
    private sealed class GoldenFile(JsonElement root)
    {
        public string[] Names => [.. root.GetProperty("recipes").EnumerateObject().Select(one => one.Name)];

        /// <summary>Skips the test where the file is not at hand.</summary>
        public static GoldenFile Read()
        {
            var path = Path.Combine(SharedFixtures.Require("grpo"), "golden.json");
            return new(JsonDocument.Parse(File.ReadAllText(path)).RootElement);
        }

        public (double Loss, double[][] Gradient) Recipe(string name)
        {
            var recipe = root.GetProperty("recipes").GetProperty(name);
            return (recipe.GetProperty("loss").GetDouble(), Matrix(recipe.GetProperty("gradient")));
        }

        public double[] Advantages(string name) => Vector(root.GetProperty("advantages").GetProperty(name));

        /// <summary>The samples, with advantages that the code under test computes.</summary>
        public LossBatch Batch(LossRecipe recipe)
        {
            var rewards = Vector(root.GetProperty("rewards"));
            var size = root.GetProperty("group_size").GetInt32();
            var groups = Enumerable.Range(0, rewards.Length / size).ToArray();
            var advantages = new double[rewards.Length];
            GroupAdvantages.Compute(
                rewards, [.. groups.Select(g => new GroupId(g))], [.. groups.Select(_ => size)], recipe, advantages);
            return new LossBatch(
                Matrix(root.GetProperty("logprobs")),
                Matrix(root.GetProperty("old_logprobs")),
                Matrix(root.GetProperty("sampler_logprobs")),
                Matrix(root.GetProperty("reference_logprobs")),
                [.. Matrix(root.GetProperty("mask")).Select(row => row.Select(value => value == 1).ToArray())],
                advantages,
                root.GetProperty("max_completion_length").GetInt32());
        }

        private static double[] Vector(JsonElement list) =>
            [.. list.EnumerateArray().Select(value => value.GetDouble())];

        private static double[][] Matrix(JsonElement list) => [.. list.EnumerateArray().Select(Vector)];
    }
}
