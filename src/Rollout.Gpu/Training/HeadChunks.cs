namespace Rollout.Gpu.Training;

/// <summary>How many targets' logits and slopes exist at once in a pass by kernels.</summary>
/// <param name="vocabulary">Logits of a target.</param>
internal sealed class HeadChunks(int vocabulary)
{
    // 256 MiB of float32 logits: rows enough to keep the matrix units busy.
    private const long LogitElements = 1L << 26;

    // Slopes that the loss is asked for at once, 384 MiB in bfloat16. Each time costs a pass over the head's gradient.
    private const long SlopeElements = 3L << 26;

    // Whole multiples, so that the states of every chunk are aligned as the products want.
    private const int RowMultiple = 128;

    /// <summary>The most targets whose logits exist at once.</summary>
    public int LogitRows { get; } = Rows(LogitElements, vocabulary);

    /// <summary>The most targets whose slopes exist at once, unless the loss needs all.</summary>
    public int SlopeRows { get; } = Rows(SlopeElements, vocabulary);

    /// <summary>The targets of a part, where all are divided into as few as can be, all of about one size.</summary>
    public int EqualParts(int targets)
    {
        var parts = (targets + SlopeRows - 1) / SlopeRows;
        var rows = (targets + parts - 1) / parts;
        return Math.Min(targets, (rows + RowMultiple - 1) / RowMultiple * RowMultiple);
    }

    private static int Rows(long elements, int vocabulary) =>
        (int)Math.Clamp(elements / vocabulary / RowMultiple, 1, int.MaxValue / RowMultiple) * RowMultiple;
}
