using static TorchSharp.torch;

namespace Rollout.Gpu.Execution;

/// <summary>
/// Knows how many rows a matrix product needs for its rows to be equal, to the last bit, to those of any larger
/// product. A BLAS takes other paths for few rows, which add in another order. <see cref="Measure"/> finds out by
/// trying.
/// </summary>
internal sealed class RowPadding
{
    private const int Tried = 32;

    // A BLAS's choice also depends on the matrix: even and odd sizes, small and large ones.
    private static readonly (int Inputs, int Outputs)[] Shapes = [(256, 512), (1000, 333), (24, 40), (384, 1152)];

    private readonly int[] _padded;

    private RowPadding(int[] padded) => _padded = padded;

    /// <summary>Adds no padding.</summary>
    public static RowPadding None { get; } = new([]);

    /// <summary>Tries products of 1 … 32 rows on the CPU with torch's number of threads. Takes milliseconds.</summary>
    public static RowPadding Measure()
    {
        using var untracked = inference_mode();
        using var scope = NewDisposeScope();
        using var generator = new Generator(1);
        var products = Shapes.Select(shape =>
        {
            var weight = randn([shape.Outputs, shape.Inputs], generator: generator);
            var input = randn([2 * Tried, shape.Inputs], generator: generator);
            return (Weight: weight, Input: input, Expected: nn.functional.linear(input, weight));
        }).ToArray();

        var padded = new int[Tried + 1];
        var next = Tried + 1;
        for (var rows = Tried; rows >= 1; rows--)
        {
            using var step = NewDisposeScope();
            var isEqual = products.All(one => nn.functional.linear(one.Input.narrow(0, 0, rows), one.Weight)
                .eq(one.Expected.narrow(0, 0, rows)).all().data<bool>()[0]);
            if (isEqual)
                next = rows;
            padded[rows] = next;
        }
        return new RowPadding(padded);
    }

    /// <summary>The smallest number of rows, from this one on, whose results don't depend on it.</summary>
    public int Padded(int rows) => rows < _padded.Length ? Math.Max(rows, _padded[rows]) : rows;
}
