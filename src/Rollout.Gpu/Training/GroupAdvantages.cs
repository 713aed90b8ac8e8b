using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Training;

/// <summary>
/// Rewards of groups → advantages, as TRL's GRPOTrainer computes them: A = (R − mean of the group) / (std +
/// 1e-4), the standard deviation Bessel-corrected, over the group or over the batch, or A = R − mean
/// (Dr.GRPO).
/// </summary>
internal static class GroupAdvantages
{
    /// <summary>Added to the standard deviation, as in TRL.</summary>
    public const double StandardDeviationOffset = 1e-4;

    /// <summary>
    /// Fills the advantages. A group whose rewards are all equal (a group of one among them) gets exactly 0,
    /// free of the rounding of its mean.
    /// </summary>
    /// <param name="rewards">[samples] rewards, group after group.</param>
    /// <param name="groups">[groups] names the groups in errors.</param>
    /// <param name="sizes">[groups] samples of each; they add up to the rewards.</param>
    /// <param name="scale">The divisor.</param>
    /// <param name="advantages">[samples] receives the advantages.</param>
    /// <returns>How many groups had equal rewards.</returns>
    /// <exception cref="ArgumentException">Lengths differ, or a reward is not finite.</exception>
    public static int Compute(
        ReadOnlySpan<double> rewards,
        ReadOnlySpan<GroupId> groups,
        ReadOnlySpan<int> sizes,
        ScaleRewards scale,
        Span<double> advantages)
    {
        if (groups.Length != sizes.Length || advantages.Length != rewards.Length)
        {
            throw new ArgumentException(
                $"{groups.Length} group ids for {sizes.Length} sizes, {advantages.Length} advantages for " +
                $"{rewards.Length} rewards: expected one for each.");
        }

        var batchDeviation = StandardDeviation(rewards);
        var equal = 0;
        var start = 0;
        for (var g = 0; g < sizes.Length; g++)
        {
            if (sizes[g] < 0 || sizes[g] > rewards.Length - start)
                throw new ArgumentException(
                    $"{groups[g]} has {sizes[g]} samples, {rewards.Length - start} rewards are left.");

            var own = rewards.Slice(start, sizes[g]);
            var filled = advantages.Slice(start, sizes[g]);
            RequireFinite(own, groups[g]);
            if (own.Length == 0 || !own.ContainsAnyExcept(own[0]))
            {
                filled.Clear();
                equal++;
            }
            else
            {
                Centre(own, scale, batchDeviation, filled);
            }

            start += sizes[g];
        }

        return start == rewards.Length
            ? equal
            : throw new ArgumentException($"{rewards.Length} rewards, but the groups have {start} samples.");
    }

    private static void Centre(
        ReadOnlySpan<double> rewards,
        ScaleRewards scale,
        double batchDeviation,
        Span<double> advantages)
    {
        var mean = Mean(rewards);
        var divisor = scale switch
        {
            ScaleRewards.Group => StandardDeviation(rewards) + StandardDeviationOffset,
            ScaleRewards.Batch => batchDeviation + StandardDeviationOffset,
            ScaleRewards.None => 1,
            _ => throw new ArgumentOutOfRangeException(
                nameof(scale), scale, "Expected Group, Batch or None."),
        };
        for (var i = 0; i < rewards.Length; i++)
            advantages[i] = (rewards[i] - mean) / divisor;
    }

    private static void RequireFinite(ReadOnlySpan<double> rewards, GroupId group)
    {
        for (var i = 0; i < rewards.Length; i++)
        {
            if (!double.IsFinite(rewards[i]))
                throw new ArgumentException(
                    $"The reward of {new SequenceId(group, i)} is {rewards[i]}; expected a finite number.");
        }
    }

    private static double Mean(ReadOnlySpan<double> values)
    {
        var sum = 0.0;
        foreach (var value in values)
            sum += value;
        return sum / values.Length;
    }

    /// <summary>Divided by n − 1; 0 for fewer than two values.</summary>
    private static double StandardDeviation(ReadOnlySpan<double> values)
    {
        if (values.Length < 2)
            return 0;

        var mean = Mean(values);
        var squares = 0.0;
        foreach (var value in values)
            squares += (value - mean) * (value - mean);
        return Math.Sqrt(squares / (values.Length - 1));
    }
}
