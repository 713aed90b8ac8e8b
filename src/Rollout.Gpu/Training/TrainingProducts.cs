using Rollout.Gpu.Interop;
using Rollout.Gpu.Models;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// The matrix products of training by cuBLASLt, from buffer to buffer with float32 sums: a projection, and the
/// gradients of its input and of its weights, which it adds to sums in float32. A shape's algorithm is the library's
/// first choice, so that sums have the same order in every run.
/// </summary>
internal sealed class TrainingProducts : IDisposable
{
    /// <summary>Bytes that a product may use meanwhile.</summary>
    public const long WorkspaceBytes = 32 << 20;

    // Micro-batches of packed sequences have many sizes, and a plan costs little.
    private const int MostPlans = 1024;

    private readonly CublasLt _library;
    private readonly CudaStream _stream;
    private readonly DeviceMemory _workspace;
    private readonly int _type;
    private readonly Dictionary<Product, Plan> _plans = [];

    /// <param name="context">The device's context, current on this thread.</param>
    /// <param name="stream">The stream that all products are queued on.</param>
    /// <param name="dtype">The type of weights and values: Float32 or BFloat16.</param>
    public TrainingProducts(CudaContext context, CudaStream stream, ScalarType dtype)
    {
        _type = dtype == ScalarType.Float32 ? CublasLt.Real32 : CublasLt.RealBfloat16;
        _stream = stream;
        using var owned = new Owned();
        _library = owned.Add(new CublasLt(context));
        _workspace = new DeviceMemory(WorkspaceBytes);
        owned.Keep();
    }

    private enum Kind
    {
        Forward,
        InputGradient,
        WeightGradient,
    }

    /// <summary>output [rows, outputs] = input [rows, inputs] Wᵀ + b; wide outputs are float32.</summary>
    public void Forward(nint input, Projection projection, nint output, int rows, bool wide = false)
    {
        var bias = projection.Bias is { } vector ? TorchTensors.Pointer(vector) : 0;
        var product = Of(Kind.Forward, projection, rows, wide) with { HasBias = bias != 0 };
        PlanOf(product).Multiply(TorchTensors.Pointer(projection.Weight), input, output, bias, _workspace, _stream);
    }

    /// <summary>result [rows, inputs] = gradient [rows, outputs] W; a wide result is float32.</summary>
    public void InputGradient(nint gradient, Projection projection, nint result, int rows, bool wide = false) =>
        PlanOf(Of(Kind.InputGradient, projection, rows, wide))
            .Multiply(TorchTensors.Pointer(projection.Weight), gradient, result, 0, _workspace, _stream);

    /// <summary>sum [outputs, inputs] float32 += gradientᵀ [outputs, rows] · input [rows, inputs].</summary>
    public void AddWeightGradient(nint input, nint gradient, Projection projection, nint sum, int rows) =>
        PlanOf(Of(Kind.WeightGradient, projection, rows, wide: true))
            .Multiply(input, gradient, sum, 0, _workspace, _stream);

    public void Dispose()
    {
        Forget();
        _workspace.Dispose();
        _library.Dispose();
    }

    private static Product Of(Kind kind, Projection projection, int rows, bool wide) =>
        new(kind, rows, (int)projection.Weight.size(1), (int)projection.Weight.size(0), HasBias: false, wide);

    private Plan PlanOf(Product product)
    {
        if (_plans.TryGetValue(product, out var plan))
            return plan;
        if (_plans.Count == MostPlans)
            Forget();
        plan = new Plan(_library, product, _type);
        _plans.Add(product, plan);
        return plan;
    }

    private void Forget()
    {
        foreach (var plan in _plans.Values)
            plan.Dispose();
        _plans.Clear();
    }

    private readonly record struct Product(Kind Kind, int Rows, int Inputs, int Outputs, bool HasBias, bool Wide);

    /// <summary>
    /// A product in the library's column order, in which our matrices are their own transposes. W is [inputs, outputs]
    /// there, x [inputs, rows], y [outputs, rows]: y = Wᵀ x, dx = W dy, dW = x dyᵀ.
    /// </summary>
    private sealed class Plan : IDisposable
    {
        private readonly CublasLt _library;
        private readonly nint _product;
        private readonly nint _left;
        private readonly nint _right;
        private readonly nint _result;
        private readonly CublasLt.Choice _choice;
        private readonly bool _adds;

        public Plan(CublasLt library, Product product, int type)
        {
            _library = library;
            _adds = product.Kind == Kind.WeightGradient;
            _product = library.CreateProduct(
                leftTransposed: product.Kind == Kind.Forward, rightTransposed: product.Kind == Kind.WeightGradient);
            if (product.HasBias)
                library.Set(_product, CublasLt.Epilogue, CublasLt.AddBias);
            nint Layout(int rows, int columns, bool wide = false) =>
                library.CreateLayout(wide ? CublasLt.Real32 : type, rows, columns);
            var (rows, inputs, outputs) = (product.Rows, product.Inputs, product.Outputs);
            (_left, _right, _result) = product.Kind switch
            {
                Kind.Forward => (Layout(inputs, outputs), Layout(inputs, rows), Layout(outputs, rows, product.Wide)),
                Kind.InputGradient =>
                    (Layout(inputs, outputs), Layout(outputs, rows), Layout(inputs, rows, product.Wide)),
                _ => (Layout(inputs, rows), Layout(outputs, rows), Layout(inputs, outputs, wide: true)),
            };
            _choice = library.Choose(_product, _left, _right, _result, WorkspaceBytes);
        }

        public void Multiply(
            nint left, nint right, nint result, nint bias, DeviceMemory workspace, CudaStream stream)
        {
            if (bias != 0)
                _library.Set(_product, CublasLt.BiasPointer, bias);
            _library.Multiply(
                _product, (left, _left), (right, _right), (result, _result), _choice, workspace, stream, _adds);
        }

        public void Dispose()
        {
            _library.DestroyLayout(_result);
            _library.DestroyLayout(_right);
            _library.DestroyLayout(_left);
            _library.DestroyProduct(_product);
        }
    }
}
