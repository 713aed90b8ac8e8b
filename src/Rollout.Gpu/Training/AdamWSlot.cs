using Rollout.Gpu.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// The gradients of one parameter: of a narrow one their sum in float32, which is there from the first gradient to the
/// update.
/// </summary>
/// <param name="parameter">What the gradients are of.</param>
internal sealed class AdamWSlot(OptimizedParameter parameter) : IDisposable
{
    private readonly Tensor _value = parameter.Value;
    private readonly bool _narrow = AdamW.IsNarrow(parameter.Value);
    private Tensor? _sum;

    public string Name => parameter.Name;

    /// <summary>The parameter, which forward passes read.</summary>
    public Tensor Weight => _value;

    public bool IsNarrow => _narrow;

    public bool HasGradient { get; private set; }

    public bool CanBeFused => _value.device_type == DeviceType.CUDA && _value.dtype == ScalarType.BFloat16;

    /// <summary>[as the parameter] float32 (or float64 of a float64 parameter).</summary>
    public Tensor Gradient() => _narrow ? _sum!.alias() : _value.grad!;

    public bool IsOf(Tensor tensor) => ReferenceEquals(_value, tensor);

    public Tensor GradientSum()
    {
        HasGradient = true;
        if (_narrow)
            _sum ??= Zeros();
        else
            _value.grad ??= zeros_like(_value);
        return Gradient();
    }

    public void Accumulate()
    {
        using var gradient = _value.grad;
        if (gradient is null)
            return;

        HasGradient = true;
        if (!_narrow)
            return;
        _sum ??= Zeros();
        _sum.add_(gradient, Scalars.One);
        _value.grad = null;
    }

    /// <summary>Forgets the gradient and frees its memory.</summary>
    public void ForgetGradient()
    {
        HasGradient = false;
        _value.grad = null;
        _sum?.Dispose();
        _sum = null;
    }

    public void Dispose() => _sum?.Dispose();

    private Tensor Zeros() => zeros(_value.shape, ScalarType.Float32, _value.device).DetachFromDisposeScope();
}
