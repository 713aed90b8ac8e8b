using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Tests.Training.Losses;

/// <summary>The losses of the papers in plain loops over doubles, and their slopes by central differences.</summary>
internal sealed class SlowLoss(LossBatch batch, LossRecipe recipe)
{
    private const double Width = 1e-6;

    public double Loss => At(batch.Logprobs);

    /// <summary>dLoss/dlogprob of one token.</summary>
    public double Slope(int row, int token)
    {
        double Moved(double by)
        {
            var moved = batch.Logprobs.Select(values => values.ToArray()).ToArray();
            moved[row][token] += by;
            return At(moved);
        }

        return (Moved(Width) - Moved(-Width)) / (2 * Width);
    }

    /// <summary>ρ of a token.</summary>
    public double Ratio(int row, int token) => Ratio(batch.Logprobs, row, token);

    /// <summary>w of a token, before its bounds.</summary>
    public double Weight(int row, int token)
    {
        var log = batch.Old[row][token] - batch.Sampler[row][token];
        if (recipe.ImportanceCorrection is ImportanceCorrection.SequenceTruncate or ImportanceCorrection.SequenceMask)
            log = SumOver(row, t => batch.Old[row][t] - batch.Sampler[row][t]);
        return Math.Exp(Clamped(log));
    }

    /// <summary>The KL estimate of a token.</summary>
    public double Kl(double[][] logprobs, int row, int token)
    {
        var d = batch.Reference[row][token] - logprobs[row][token];
        return recipe.KlEstimator switch
        {
            KlEstimator.K1 => -d,
            KlEstimator.K2 => 0.5 * Math.Pow(d, 2),
            _ => Math.Exp(d) - d - 1,
        };
    }

    private double At(double[][] logprobs)
    {
        double total = 0, tokens = 0;
        for (var row = 0; row < batch.Rows; row++)
        {
            var sum = SumOver(row, token => Token(logprobs, row, token));
            tokens += batch.Length(row);
            total += recipe.Aggregation switch
            {
                LossAggregation.SeqMeanTokenMean => sum / Math.Max(batch.Length(row), 1) / batch.Rows,
                LossAggregation.SeqMeanTokenSum => sum / batch.Rows,
                LossAggregation.SeqMeanTokenSumNorm => sum / batch.Rows / batch.MaxCompletionLength,
                _ => sum,
            };
        }

        return recipe.Aggregation == LossAggregation.TokenMean ? total / Math.Max(tokens, 1) : total;
    }

    private double Token(double[][] logprobs, int row, int token)
    {
        var a = batch.Advantages[row];
        var (low, high) = (1 - recipe.Epsilon, 1 + recipe.EpsilonHigh);
        var ratio = Ratio(logprobs, row, token);
        var loss = 0.0;
        switch (recipe.Surrogate)
        {
            case Surrogate.Clip:
                // The dual clip's form: of a negative advantage, no more than delta times it is lost.
                loss = a >= 0 ? -Math.Min(ratio, high) * a : -Math.Max(ratio, low) * a;
                if (recipe.Delta > 0 && a < 0)
                    loss = Math.Min(loss, -recipe.Delta * a);
                break;
            case Surrogate.Cispo:
                loss = -Math.Clamp(Ratio(batch.Logprobs, row, token), low, high) * a * logprobs[row][token];
                break;
            case Surrogate.Sapo:
                var tau = a > 0 ? recipe.SapoTemperature : recipe.SapoTemperatureNegative;
                loss = -4 / tau / (1 + Math.Exp(-tau * (ratio - 1))) * a;
                break;
            case Surrogate.PolicyGradient:
                loss = -a * logprobs[row][token];
                break;
        }

        if (recipe.ImportanceCorrection != ImportanceCorrection.None)
        {
            var w = Weight(row, token);
            var inside = w >= recipe.ImportanceFloor && w <= recipe.ImportanceCap;
            loss *= inside ? w
                : recipe.ImportanceCorrection is ImportanceCorrection.TokenMask or ImportanceCorrection.SequenceMask ? 0
                : w > recipe.ImportanceCap ? recipe.ImportanceCap : recipe.ImportanceFloor;
        }

        return recipe is { Beta: > 0, KlIn: KlIn.Loss } ? loss + (recipe.Beta * Kl(logprobs, row, token)) : loss;
    }

    private double Ratio(double[][] logprobs, int row, int token)
    {
        double Of(int t) => logprobs[row][t] - batch.Old[row][t];
        return Math.Exp(Clamped(recipe.RatioLevel switch
        {
            RatioLevel.Sequence => SumOver(row, Of) / Math.Max(batch.Length(row), 1),
            RatioLevel.SequenceSum => SumOver(row, Of),
            _ => Of(token),
        }));
    }

    private double Clamped(double log) => recipe.LogRatioClamp > 0
        ? Math.Max(-recipe.LogRatioClamp, Math.Min(recipe.LogRatioClamp, log))
        : log;

    private double SumOver(int row, Func<int, double> value)
    {
        var sum = 0.0;
        for (var token = 0; token < batch.Mask[row].Length; token++)
            sum += batch.Mask[row][token] ? value(token) : 0;
        return sum;
    }
}
