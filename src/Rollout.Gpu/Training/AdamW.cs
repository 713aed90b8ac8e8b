using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// AdamW (Loshchilov and Hutter 2019; the formulas and the order of torch.optim.AdamW) with global gradient clipping.
/// Parameters of less than 32 bits get a float32 master copy and float32 gradient sums: a step of 1e-6 is far below
/// the resolution of a bfloat16 weight and would be lost in it. Weight decay leaves out vectors (norms and biases), as
/// the Hugging Face Trainer does. Costs, per weight: 16 bytes in float32, up to 20 in bfloat16, the weight included.
/// </summary>
public sealed class AdamW : IDisposable
{
    private readonly Slot[] _slots;
    private readonly AdamWOptions _options;

    /// <param name="parameters">Names and leaf tensors that require gradients; they stay the caller's.</param>
    /// <param name="options">Rates of the moments and decay.</param>
    public AdamW(IEnumerable<(string Name, Tensor Value)> parameters, AdamWOptions options)
    {
        using var noGradient = no_grad();
        _options = options;
        _slots = [.. parameters.Select(parameter => new Slot(parameter.Name, parameter.Value))];
    }

    /// <summary>Updates so far.</summary>
    public int Steps { get; private set; }

    /// <summary>Forgets all gradients.</summary>
    public void ZeroGradients()
    {
        using var noGradient = no_grad();
        foreach (var slot in _slots)
            slot.ZeroGradients();
    }

    /// <summary>Call after each backward pass: adds the gradients of narrow parameters to their float32 sums.</summary>
    public void Accumulate()
    {
        using var noGradient = no_grad();
        foreach (var slot in _slots)
            slot.Accumulate();
    }

    /// <summary>The norm of all gradients as one vector. Waits for the device.</summary>
    public double GradientNorm()
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var norms = _slots.Where(slot => slot.HasGradient).Select(slot => slot.Gradient().norm()).ToArray();
        return norms.Length == 0 ? 0 : stack(norms).to_type(ScalarType.Float64).norm().cpu().item<double>();
    }

    /// <summary>The first parameter with a gradient that is not finite, or "" if all are.</summary>
    public string FirstNonFinite()
    {
        using var noGradient = no_grad();
        foreach (var slot in _slots.Where(slot => slot.HasGradient))
        {
            using var scope = NewDisposeScope();
            if (!slot.Gradient().isfinite().all().cpu().item<bool>())
                return slot.Name;
        }

        return "";
    }

    /// <summary>One update with the gradients times <paramref name="gradientScale"/>; then forgets them.</summary>
    public void Step(double learningRate, double gradientScale = 1)
    {
        using var noGradient = no_grad();
        Steps++;
        using var rates = new AdamWRates(_options, learningRate, gradientScale, Steps);
        foreach (var slot in _slots.Where(slot => slot.HasGradient))
            slot.Update(rates);
        ZeroGradients();
    }

    /// <summary>The tensors that a resumed run needs besides the weights. They stay this optimizer's.</summary>
    public IReadOnlyDictionary<string, Tensor> State() =>
        _slots.SelectMany(slot => slot.State()).ToDictionary(entry => entry.Name, entry => entry.Value);

    /// <summary>Takes over what <see cref="State"/> gave.</summary>
    /// <exception cref="InvalidDataException">A tensor is missing or has another shape or type.</exception>
    public void LoadState(IReadOnlyDictionary<string, Tensor> state, int steps)
    {
        using var noGradient = no_grad();
        foreach (var (name, own) in _slots.SelectMany(slot => slot.State()))
        {
            if (!state.TryGetValue(name, out var saved))
                throw new InvalidDataException($"The optimizer state has no tensor {name}.");
            if (!saved.shape.AsSpan().SequenceEqual(own.shape) || saved.dtype != own.dtype)
            {
                throw new InvalidDataException(
                    $"The optimizer state's {name} is {saved.dtype} [{string.Join(", ", saved.shape)}]; " +
                    $"expected {own.dtype} [{string.Join(", ", own.shape)}].");
            }

            own.copy_(saved).Dispose();
        }

        Steps = steps;
    }

    public void Dispose()
    {
        foreach (var slot in _slots)
            slot.Dispose();
    }

    /// <summary>One parameter with its moments.</summary>
    private sealed class Slot : IDisposable
    {
        private readonly Tensor _value;
        private readonly Tensor _mean;
        private readonly Tensor _square;
        private readonly bool _narrow;
        private readonly bool _decays;

        // Of narrow parameters only: the weights and the sum of the gradients in float32.
        private readonly Tensor _master;
        private readonly Tensor _sum;

        public Slot(string name, Tensor value)
        {
            Name = name;
            _value = value;
            _narrow = value.dtype.ElementSize() < 4;
            _decays = value.dim() > 1;
            _master = (_narrow ? value.detach().to_type(ScalarType.Float32) : value.detach()).DetachFromDisposeScope();
            _mean = zeros_like(_master).DetachFromDisposeScope();
            _square = zeros_like(_master).DetachFromDisposeScope();
            _sum = (_narrow ? zeros_like(_master) : empty(0)).DetachFromDisposeScope();
        }

        public string Name { get; }

        public bool HasGradient { get; private set; }

        /// <summary>[as the parameter] float32 (or float64 of a float64 parameter).</summary>
        public Tensor Gradient() => _narrow ? _sum.alias() : _value.grad!;

        public void Accumulate()
        {
            using var gradient = _value.grad;
            if (gradient is null)
                return;
            HasGradient = true;
            if (!_narrow)
                return;
            _sum.add_(gradient).Dispose();
            _value.grad = null;
        }

        public void ZeroGradients()
        {
            HasGradient = false;
            _value.grad = null;
            if (_narrow)
                _sum.zero_().Dispose();
        }

        public void Update(AdamWRates rates)
        {
            using var scope = NewDisposeScope();
            var gradient = Gradient().mul_(rates.GradientScale);
            if (_decays)
                _master.mul_(rates.Shrink);
            _mean.mul_(rates.Beta1).add_(gradient, rates.OneMinusBeta1);
            _square.mul_(rates.Beta2).addcmul_(gradient, gradient, rates.OneMinusBeta2);
            var divisor = _square.sqrt().mul_(rates.RootCorrection).add_(rates.Epsilon);
            _master.addcdiv_(_mean, divisor, rates.MinusStepSize);
            if (_narrow)
                _value.copy_(_master);
        }

        public IEnumerable<(string Name, Tensor Value)> State()
        {
            yield return ($"exp_avg.{Name}", _mean);
            yield return ($"exp_avg_sq.{Name}", _square);
            if (_narrow)
                yield return ($"master.{Name}", _master);
        }

        public void Dispose()
        {
            _master.Dispose();
            _mean.Dispose();
            _square.Dispose();
            _sum.Dispose();
        }
    }
}
