using Rollout.Gpu.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>One parameter with its moments.</summary>
internal sealed class AdamWSlot : IDisposable
{
    public const string MasterPrefix = "master.";

    private readonly Tensor _value;
    private readonly Tensor _mean;
    private readonly Tensor _square;
    private readonly bool _narrow;
    private readonly bool _decays;

    // Narrow parameters only: weights and the sum of the gradients in float32.
    private readonly Tensor _master;
    private readonly Tensor _sum;

    public AdamWSlot(OptimizedParameter parameter)
    {
        var value = parameter.Value;
        Name = parameter.Name;
        _value = value;
        _narrow = AdamW.IsNarrow(value);
        _decays = parameter.Decays;
        using var own = value.detach();
        _master = (_narrow ? own.to_type(ScalarType.Float32) : own.alias()).DetachFromDisposeScope();
        _mean = zeros_like(_master).DetachFromDisposeScope();
        _square = zeros_like(_master).DetachFromDisposeScope();
        _sum = (_narrow ? zeros_like(_master) : empty(0)).DetachFromDisposeScope();
    }

    public string Name { get; }

    /// <summary>The parameter, which forward passes read.</summary>
    public Tensor Weight => _value;

    public bool HasGradient { get; private set; }

    public bool CanBeFused => _value.device_type == DeviceType.CUDA && _value.dtype == ScalarType.BFloat16;

    public FusedParameter Fused() => new(_value, _master, _mean, _square, _sum, _decays);

    /// <summary>[as the parameter] float32 (or float64 of a float64 parameter).</summary>
    public Tensor Gradient() => _narrow ? _sum.alias() : _value.grad!;

    public bool IsOf(Tensor parameter) => ReferenceEquals(_value, parameter);

    public Tensor GradientSum()
    {
        HasGradient = true;
        if (!_narrow)
            _value.grad ??= zeros_like(_master);
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
        _sum.add_(gradient, Scalars.One);
        _value.grad = null;
    }

    /// <summary>Forgets a gradient whose sum is 0 already.</summary>
    public void ForgetGradient()
    {
        HasGradient = false;
        _value.grad = null;
    }

    public void ZeroGradients()
    {
        if (_narrow && HasGradient)
            _sum.zero_();
        ForgetGradient();
    }

    public void Update(AdamWRates rates)
    {
        using var scope = NewDisposeScope();
        var gradient = Gradient().mul_(rates.GradientScale);
        if (_decays)
            _master.mul_(rates.Shrink);
        _mean.mul_(rates.Beta1).add_(gradient, rates.OneMinusBeta1);
        _square.mul_(rates.Beta2).addcmul_(gradient, gradient, rates.OneMinusBeta2);
        var divisor = _square.sqrt().mul_(rates.RootCorrection).add_(rates.Epsilon, Scalars.One);
        _master.addcdiv_(_mean, divisor, rates.MinusStepSize);
        if (_narrow)
            _value.copy_(_master);
    }

    public bool IsNarrow => _narrow;

    /// <summary>The weight in float32: of a wide parameter the parameter itself.</summary>
    public (string Name, Tensor Value) Master => (MasterPrefix + Name, _master);

    public (string Name, Tensor Value)[] Moments() => [($"exp_avg.{Name}", _mean), ($"exp_avg_sq.{Name}", _square)];

    public (string Name, Tensor Value)[] State() => _narrow ? [.. Moments(), Master] : Moments();

    public void Dispose()
    {
        _master.Dispose();
        _mean.Dispose();
        _square.Dispose();
        _sum.Dispose();
    }
}
