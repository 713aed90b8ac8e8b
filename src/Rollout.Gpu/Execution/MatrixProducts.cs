using Rollout.Gpu.Interop;
using Rollout.Gpu.Models;
using static TorchSharp.torch;

namespace Rollout.Gpu.Execution;

/// <summary>
/// A model's projections on a GPU, y = x Wᵀ + b, and the products of their adapters, by cuBLASLt from buffer to buffer
/// with float32 sums. Allocates nothing for shapes that were prepared or seen before. A shape's algorithm is the library's first choice, not the
/// fastest of a trial, so that sums have the same order in every run.
/// </summary>
internal sealed class MatrixProducts : IDisposable
{
    // Fewer rows take as long, and some of the library's choices for one row take twice as long.
    private const int FewestRows = 16;

    // NVIDIA's recommendation for Hopper. With less, the library can't split sums.
    private const long WorkspaceBytes = 32 << 20;

    private readonly CublasLt _library;
    private readonly CudaStream _stream;
    private readonly DeviceMemory _workspace;
    private readonly int _type;
    private readonly Dictionary<object, Weights> _weights = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Shape, Plan> _plans = [];

    /// <param name="context">The device's context, current on this thread.</param>
    /// <param name="stream">The stream that all products are queued on.</param>
    /// <param name="dtype">The type of weights and inputs: Float32 or BFloat16.</param>
    public MatrixProducts(CudaContext context, CudaStream stream, ScalarType dtype)
    {
        _type = dtype == ScalarType.Float32 ? CublasLt.Real32 : CublasLt.RealBfloat16;
        using var owned = new Owned();
        _library = owned.Add(new CublasLt(context));
        _stream = stream;
        _workspace = new DeviceMemory(WorkspaceBytes);
        owned.Keep();
    }

    /// <summary>The rows that buffers of a narrow product need: few rows are padded.</summary>
    public static int Room(int rows) => Math.Max(rows, FewestRows);

    /// <summary>Products with a chosen algorithm.</summary>
    public int Count => _plans.Count;

    /// <summary>
    /// Prepares every product that was queued before for these numbers of rows: chooses an algorithm, and queues one
    /// product for each new algorithm, since the driver loads a kernel when it is first launched.
    /// </summary>
    /// <param name="rows">Numbers of rows.</param>
    /// <param name="wide">Prepare the products with float32 outputs, or else all others.</param>
    /// <param name="input">Memory of the largest input, which is read.</param>
    /// <param name="output">Memory of the largest output, which is written.</param>
    public void Prepare(IEnumerable<int> rows, bool wide, nint input, nint output)
    {
        var seen = _plans.Keys.Where(shape => shape.Wide == wide).DistinctBy(shape => shape with { Rows = 0 }).ToArray();
        var launched = new HashSet<(Shape, string)>();
        foreach (var shape in rows.SelectMany(count => seen.Select(shape => shape with { Rows = Rows(count, wide) })))
        {
            if (_plans.ContainsKey(shape))
                continue;
            var plan = new Plan(_library, shape, _type);
            _plans.Add(shape, plan);
            if (launched.Add((shape with { Rows = 0 }, plan.Algorithm)))
                plan.Multiply(_weights.Values.First(shape.IsOf), input, output, _workspace, _stream);
        }
    }

    /// <summary>Queues one product.</summary>
    /// <param name="input">[rows, inputs].</param>
    /// <param name="projection">The weights, which must stay where they are in memory.</param>
    /// <param name="output">[rows, outputs], written.</param>
    /// <param name="rows">The number of rows.</param>
    /// <param name="wide">Write the output as float32, whatever the weights' type.</param>
    public void Multiply(nint input, Projection projection, nint output, int rows, bool wide = false)
    {
        if (!_weights.TryGetValue(projection, out var weights))
            _weights.Add(projection, weights = Weights.Of(projection.Weight, projection.Bias));
        Multiply(input, weights, output, rows, wide, factor: 1, adds: false);
    }

    /// <summary>Queues one product with a matrix [outputs, inputs], which must stay where it is in memory.</summary>
    /// <param name="input">[rows, inputs].</param>
    /// <param name="matrix">Of the products' type.</param>
    /// <param name="output">[rows, outputs], written.</param>
    /// <param name="rows">The number of rows.</param>
    public void Multiply(nint input, Tensor matrix, nint output, int rows) =>
        Multiply(input, WeightsOf(matrix), output, rows, wide: false, factor: 1, adds: false);

    /// <summary>Queues output += factor · input matrixᵀ, in one rounding.</summary>
    /// <inheritdoc cref="Multiply(nint, Tensor, nint, int)"/>
    public void Add(nint input, Tensor matrix, nint output, int rows, double factor, bool wide) =>
        Multiply(input, WeightsOf(matrix), output, rows, wide, (float)factor, adds: true);

    public void Dispose()
    {
        foreach (var plan in _plans.Values)
            plan.Dispose();
        _plans.Clear();
        _workspace.Dispose();
        _library.Dispose();
    }

    private Weights WeightsOf(Tensor matrix)
    {
        if (!_weights.TryGetValue(matrix, out var weights))
            _weights.Add(matrix, weights = Weights.Of(matrix, bias: null));
        return weights;
    }

    private void Multiply(nint input, Weights weights, nint output, int rows, bool wide, float factor, bool adds)
    {
        var shape = new Shape(Rows(rows, wide), weights.Inputs, weights.Outputs, weights.Bias != 0, wide, adds);
        if (!_plans.TryGetValue(shape, out var plan))
            _plans.Add(shape, plan = new Plan(_library, shape, _type));
        plan.Multiply(weights, input, output, _workspace, _stream, factor);
    }

    // The head's buffer has room for exactly the rows asked for.
    private static int Rows(int rows, bool wide) => wide ? rows : Room(rows);

    private readonly record struct Shape(int Rows, int Inputs, int Outputs, bool HasBias, bool Wide, bool Adds)
    {
        public bool IsOf(Weights weights) =>
            (Inputs, Outputs, HasBias) == (weights.Inputs, weights.Outputs, weights.Bias != 0);
    }

    /// <param name="Matrix">The address of [outputs, inputs].</param>
    /// <param name="Bias">The address of [outputs], or 0 without a bias.</param>
    /// <param name="Inputs">Numbers of an input row.</param>
    /// <param name="Outputs">Numbers of an output row.</param>
    private readonly record struct Weights(nint Matrix, nint Bias, int Inputs, int Outputs)
    {
        public static Weights Of(Tensor matrix, Tensor? bias) => new(
            TorchTensors.Pointer(matrix),
            bias is null ? 0 : TorchTensors.Pointer(bias),
            (int)matrix.size(1),
            (int)matrix.size(0));
    }

    /// <summary>
    /// A product in the library's terms. It uses column order, in which our matrices are their own transposes:
    /// yᵀ [outputs, rows] = W [inputs, outputs]ᵀ · xᵀ [inputs, rows].
    /// </summary>
    private sealed class Plan : IDisposable
    {
        private readonly CublasLt _library;
        private readonly nint _product;
        private readonly nint _weights;
        private readonly nint _input;
        private readonly nint _output;
        private readonly bool _adds;
        private readonly CublasLt.Choice _choice;

        public Plan(CublasLt library, Shape shape, int type)
        {
            _library = library;
            _adds = shape.Adds;
            _product = library.CreateProduct();
            if (shape.HasBias)
                library.Set(_product, CublasLt.Epilogue, CublasLt.AddBias);
            _weights = library.CreateLayout(type, shape.Inputs, shape.Outputs);
            _input = library.CreateLayout(type, shape.Inputs, shape.Rows);
            _output = library.CreateLayout(shape.Wide ? CublasLt.Real32 : type, shape.Outputs, shape.Rows);
            _choice = library.Choose(_product, _weights, _input, _output, WorkspaceBytes);
        }

        public string Algorithm => _choice.Name;

        public void Multiply(
            Weights weights, nint input, nint output, DeviceMemory workspace, CudaStream stream, float factor = 1)
        {
            if (weights.Bias != 0)
                _library.Set(_product, CublasLt.BiasPointer, weights.Bias);
            _library.Multiply(
                _product, (weights.Matrix, _weights), (input, _input), (output, _output), _choice, workspace, stream,
                _adds, factor);
        }

        public void Dispose()
        {
            _library.DestroyLayout(_output);
            _library.DestroyLayout(_input);
            _library.DestroyLayout(_weights);
            _library.DestroyProduct(_product);
        }
    }
}
