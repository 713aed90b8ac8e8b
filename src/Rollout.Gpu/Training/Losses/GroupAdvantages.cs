using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Training.Losses;

/// <summary>
/// Rewards of groups → advantages A = (R − baseline) / (deviation + offset). The baseline is the group's mean (GRPO,
/// arXiv:2402.03300), the mean of the group's others, which gives n/(n−1) · (R − mean) (RLOO, arXiv:2402.14740), or
/// nothing. The deviation is Bessel-corrected: of the group's rewards (GRPO), of the batch's rewards, of the centred
/// rewards over the batch after their mean was subtracted (REINFORCE++, arXiv:2501.03262), or there is none (Dr.GRPO,
/// arXiv:2503.20783).
/// </summary>
internal static class GroupAdvantages
{
    /// <summary>
    /// Fills the advantages. A group whose rewards are all equal (a group of one among them) is exactly 0 after its
    /// baseline was subtracted, free of the rounding of its mean. NaN is no reward, as in TRL: it counts in no mean and
    /// deviation, and its advantage is 0.
    /// </summary>
    /// <param name="rewards">[samples] rewards, group after group; NaN where there is none.</param>
    /// <param name="groups">[groups] names the groups in errors.</param>
    /// <param name="sizes">[groups] samples of each; they add up to the rewards.</param>
    /// <param name="recipe">Baseline and scale.</param>
    /// <param name="advantages">[samples] receives the advantages.</param>
    /// <returns>How many groups had equal rewards.</returns>
    /// <exception cref="ArgumentException">Lengths differ, or a reward is infinite.</exception>
    public static int Compute(
        ReadOnlySpan<double> rewards,
        ReadOnlySpan<GroupId> groups,
        ReadOnlySpan<int> sizes,
        LossRecipe recipe,
        Span<double> advantages)
    {
        if (groups.Length != sizes.Length || advantages.Length != rewards.Length)
        {
            throw new ArgumentException(
                $"{groups.Length} group ids for {sizes.Length} sizes, {advantages.Length} advantages for " +
                $"{rewards.Length} rewards: expected one for each.");
        }

        var equal = 0;
        var start = 0;
        for (var g = 0; g < sizes.Length; g++)
        {
            if (sizes[g] < 0 || sizes[g] > rewards.Length - start)
                throw new ArgumentException(
                    $"{groups[g]} has {sizes[g]} samples, {rewards.Length - start} rewards are left.");

            var own = rewards.Slice(start, sizes[g]);
            RequireNoInfinity(own, groups[g]);
            var spread = Spread.Of(own);
            equal += spread.IsZero ? 1 : 0;
            Subtract(recipe.Baseline, own, spread, advantages.Slice(start, sizes[g]));
            if (recipe.ScaleRewards == ScaleRewards.Group)
                Divide(advantages.Slice(start, sizes[g]), spread.Deviation + recipe.ScaleOffset);
            start += sizes[g];
        }

        if (start != rewards.Length)
            throw new ArgumentException($"{rewards.Length} rewards, but the groups have {start} samples.");

        if (recipe.ScaleRewards == ScaleRewards.Batch)
            Divide(advantages, Spread.Of(rewards).Deviation + recipe.ScaleOffset);
        else if (recipe.ScaleRewards == ScaleRewards.Whiten)
            Whiten(advantages, recipe);
        advantages.Replace(double.NaN, 0);
        return equal;
    }

    private static void Subtract(
        AdvantageBaseline baseline, ReadOnlySpan<double> rewards, Spread spread, Span<double> centred)
    {
        var others = spread.Count - 1.0;
        for (var i = 0; i < rewards.Length; i++)
        {
            centred[i] = baseline switch
            {
                AdvantageBaseline.None => rewards[i],
                _ when spread.IsZero => rewards[i] - rewards[i], // 0, or NaN
                AdvantageBaseline.Group => rewards[i] - spread.Mean,
                AdvantageBaseline.LeaveOneOut => spread.Count / others * (rewards[i] - spread.Mean),
                _ => throw new ArgumentException($"The baseline {baseline} is not known.", nameof(baseline)),
            };
        }
    }

    private static void Divide(Span<double> values, double divisor)
    {
        foreach (ref var value in values)
            value /= divisor;
    }

    /// <summary>A group's baseline leaves a mean of 0, which is not subtracted again, as it would round.</summary>
    private static void Whiten(Span<double> values, LossRecipe recipe)
    {
        var spread = Spread.Of(values);
        var mean = recipe.Baseline == AdvantageBaseline.None ? spread.Mean : 0;
        foreach (ref var value in values)
            value = spread.IsZero ? value - value : (value - mean) / (spread.Deviation + recipe.ScaleOffset);
    }

    private static void RequireNoInfinity(ReadOnlySpan<double> rewards, GroupId group)
    {
        for (var i = 0; i < rewards.Length; i++)
        {
            if (double.IsInfinity(rewards[i]))
                throw new ArgumentException(
                    $"The reward of {new SequenceId(group, i)} is {rewards[i]}; expected a finite number.");
        }
    }

    /// <summary>Of the values that are not NaN.</summary>
    /// <param name="Count">How many there are.</param>
    /// <param name="Mean">NaN without one.</param>
    /// <param name="Deviation">Divided by n − 1; 0 for fewer than two.</param>
    /// <param name="IsZero">True where all are equal.</param>
    private readonly record struct Spread(int Count, double Mean, double Deviation, bool IsZero)
    {
        public static Spread Of(ReadOnlySpan<double> values)
        {
            var (count, sum, squares) = (0, 0.0, 0.0);
            var (least, most) = (double.PositiveInfinity, double.NegativeInfinity);
            foreach (var value in values)
            {
                if (double.IsNaN(value))
                    continue;
                count++;
                sum += value;
                (least, most) = (Math.Min(least, value), Math.Max(most, value));
            }

            var mean = sum / count;
            foreach (var value in values)
                squares += double.IsNaN(value) ? 0 : (value - mean) * (value - mean);
            return new Spread(count, mean, count < 2 ? 0 : Math.Sqrt(squares / (count - 1)), least >= most);
        }
    }
}
