using static TorchSharp.torch;

namespace Rollout.Gpu.Execution;

/// <summary>
/// How many rows a matrix product must have for each row of its result to be the same to the last bit as in any
/// larger one. A BLAS takes other paths for few rows, which add up in another order; which ones is found by trying.
/// </summary>
public sealed class RowPadding
{
    private const int Tried = 32;

    private readonly int[] _padded;

    private RowPadding(int[] padded) => _padded = padded;

    /// <summary>Adds none.</summary>
    public static RowPadding None { get; } = new([]);

    /// <summary>Tries products of 1 … 32 rows on the CPU, with as many threads as torch is set to; some milliseconds.</summary>
    public static RowPadding Measure()
    {
        const int Inputs = 256, Outputs = 512;
        using var untracked = inference_mode();
        using var scope = NewDisposeScope();
        using var generator = new Generator(1);
        var weight = randn([Outputs, Inputs], generator: generator);
        var input = randn([2 * Tried, Inputs], generator: generator);
        var expected = nn.functional.linear(input, weight);

        var padded = new int[Tried + 1];
        var next = Tried + 1;
        for (var rows = Tried; rows >= 1; rows--)
        {
            using var step = NewDisposeScope();
            var product = nn.functional.linear(input.narrow(0, 0, rows), weight);
            using var equal = product.eq(expected.narrow(0, 0, rows)).all();
            if (equal.data<bool>()[0])
                next = rows;
            padded[rows] = next;
        }
        return new RowPadding(padded);
    }

    /// <summary>The least number of rows, at least as many as these, whose results do not depend on their number.</summary>
    public int Padded(int rows) => rows < _padded.Length ? Math.Max(rows, _padded[rows]) : rows;
}
