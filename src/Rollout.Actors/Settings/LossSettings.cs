using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Settings;

/// <summary>
/// Reads the loss from the section <c>train</c>: <c>loss-type</c> picks a recipe, and the keys of its parts replace
/// them where they are not <c>recipe</c>.
/// </summary>
internal static class LossSettings
{
    private const string Recipe = "recipe";

    /// <exception cref="ConfigurationException">
    /// A value is of the wrong type or out of its range, or two contradict each other.
    /// </exception>
    public static LossRecipe From(ConfigSection section)
    {
        var named = LossRecipe.Of(section.Choice<LossType>("loss-type"));
        var recipe = new LossRecipe
        {
            Baseline = section.Choice("baseline", Recipe, named.Baseline),
            ScaleRewards = section.Choice("scale-rewards", Recipe, named.ScaleRewards),
            ScaleOffset = section.Number("scale-offset", Bounds.Above(0), Recipe, named.ScaleOffset),
            RatioLevel = section.Choice("ratio-level", Recipe, named.RatioLevel),
            Surrogate = section.Choice("surrogate", Recipe, named.Surrogate),
            Epsilon = section.Number("epsilon", Bounds.AboveUpTo(0, 1), Recipe, named.Epsilon),
            EpsilonHigh = section.Number("epsilon-high", Bounds.Above(0), Recipe, named.EpsilonHigh),
            Delta = section.Number("delta", Bounds.AtLeast(0)),
            LogRatioClamp = section.Number("log-ratio-clamp", Bounds.AtLeast(0)),
            SapoTemperature = section.Number("sapo-temperature", Bounds.Above(0)),
            SapoTemperatureNegative = section.Number("sapo-temperature-negative", Bounds.Above(0)),
            Aggregation = section.Choice("aggregation", Recipe, named.Aggregation),
            Beta = section.Number("beta", Bounds.AtLeast(0)),
            KlEstimator = section.Choice("kl-estimator", Recipe, named.KlEstimator),
            KlIn = section.Choice("kl-in", Recipe, named.KlIn),
            ImportanceCorrection = section.Choice<ImportanceCorrection>("importance-correction"),
            ImportanceSupport = section.Choice<ImportanceSupport>("importance-support"),
            ImportanceCap = section.Number("importance-cap", Bounds.Above(0)),
            ImportanceFloor = section.Number("importance-floor", Bounds.AtLeast(0)),
        };
        RequireAgreement(section, recipe);
        return recipe;
    }

    private static void RequireAgreement(ConfigSection section, LossRecipe recipe)
    {
        if (recipe.RatioLevel != RatioLevel.Token
            && recipe.ImportanceCorrection == ImportanceCorrection.TokenMask)
        {
            throw section.Invalid(
                "importance-correction",
                "none, token-truncate, sequence-truncate or sequence-mask, as ratio-level is "
                + $"{ConfigSection.Written(recipe.RatioLevel)}");
        }

        if (recipe.Delta > 0 && recipe.Surrogate != Surrogate.Clip)
        {
            throw section.Invalid(
                "delta", $"0, as surrogate is {ConfigSection.Written(recipe.Surrogate)} and not clip");
        }

        if (recipe.Delta > 0 && recipe.Delta <= 1 + recipe.EpsilonHigh)
        {
            throw section.Invalid(
                "delta", FormattableString.Invariant($"0, or above 1 + epsilon-high, which is {1 + recipe.EpsilonHigh}"));
        }

        if (recipe.Surrogate == Surrogate.PolicyGradient && section.Whole("num-iterations", Bounds.Any) > 1)
        {
            throw section.Invalid(
                "num-iterations", "1, as surrogate is policy-gradient, which has no ratio to older weights");
        }

        if (recipe.ImportanceFloor > recipe.ImportanceCap)
        {
            throw section.Invalid(
                "importance-floor", FormattableString.Invariant($"at most importance-cap, which is {recipe.ImportanceCap}"));
        }
    }
}
