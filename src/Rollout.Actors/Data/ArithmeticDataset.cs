namespace Rollout.Actors.Data;

/// <summary>
/// Additions "a+b=" of two operands from 0, with the sum as field "answer". A hash of the two operands, whatever
/// their order, decides whether a problem is held out: every run holds out the same problems, and no training
/// prompt is one of them turned around.
/// </summary>
public sealed class ArithmeticDataset : IPromptSource
{
    private const int LargestOperand = 4095;

    private readonly int _operands;

    /// <param name="maxOperand">The largest operand, 1 … 4095.</param>
    /// <param name="heldOutShare">The share of problems that is held out, from 0 to below 1.</param>
    /// <exception cref="ArgumentException">
    /// A value is out of range, or leaves no problem to train on or to hold out.
    /// </exception>
    public ArithmeticDataset(int maxOperand, double heldOutShare)
    {
        if (maxOperand is < 1 or > LargestOperand)
            throw new ArgumentException($"max-operand must be 1 to {LargestOperand}, not {maxOperand}");
        if (heldOutShare is not (>= 0 and < 1))
            throw new ArgumentException($"held-out must be a share from 0 to below 1, not {heldOutShare}");
        _operands = maxOperand + 1;

        var problems = Enumerable.Range(0, _operands * _operands)
            .ToLookup(problem => IsHeldOut(problem, heldOutShare));
        int[] train = [.. problems[false]];   // a * operands + b of every problem that is not held out
        int[] heldOut = [.. problems[true].OrderBy(Shuffled)];
        Train = new PromptList(train.Length, index => Item(train[index]));
        HeldOut = new PromptList(heldOut.Length, index => Item(heldOut[index]));
        if (train.Length == 0 || (heldOutShare > 0 && HeldOut.Count == 0))
            throw new ArgumentException(
                $"held-out = {heldOutShare} leaves {train.Length} of {_operands * _operands} problems to "
                + $"train on and {HeldOut.Count} to hold out; each needs at least one");
    }

    /// <inheritdoc/>
    public IReadOnlyList<PromptItem> Train { get; }

    /// <inheritdoc/>
    public IReadOnlyList<PromptItem> HeldOut { get; }

    private bool IsHeldOut(int problem, double share)
    {
        var (a, b) = Math.DivRem(problem, _operands);
        var hash = SplitMix64.Mix((ulong)Math.Min(a, b), (ulong)Math.Max(a, b));
        return hash >> 11 < (ulong)(share * (1UL << 53));
    }

    private ulong Shuffled(int problem)
    {
        var (a, b) = Math.DivRem(problem, _operands);
        return SplitMix64.Mix(((ulong)a << 32) | (uint)b);
    }

    private PromptItem Item(int problem)
    {
        var (a, b) = Math.DivRem(problem, _operands);
        return new PromptItem($"{a}+{b}", $"{a}+{b}=", new Dictionary<string, string>
        {
            ["answer"] = $"{a + b}",
        });
    }
}
