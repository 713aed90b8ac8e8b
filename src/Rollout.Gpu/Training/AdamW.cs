using Rollout.Gpu.Contracts;
using Rollout.Gpu.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// AdamW (Loshchilov and Hutter 2019; the formulas and the order of torch.optim.AdamW) with global gradient clipping.
/// Parameters of less than 32 bits get a float32 master copy and float32 gradient sums: a bfloat16 weight would lose
/// a step of 1e-6. A weight takes 16 bytes in float32 and up to 20 in bfloat16, the weight and its gradient included, of which
/// 8 and 12 may be in host memory. Weights stay finite, or the step throws.
/// </summary>
internal sealed class AdamW : IDisposable
{
    private const string StepTensor = "step";
    private const string MasterPrefix = "master.";

    private readonly AdamWSlot[] _slots;
    private readonly AdamWOptions _options;
    private readonly IAdamWState _state;
    private readonly FusedAdamW? _fused;

    /// <param name="parameters">What it changes; the tensors stay the caller's.</param>
    /// <param name="options">Rates of the moments and decay.</param>
    /// <param name="offload">How the state comes from host memory; null keeps it beside the weights.</param>
    /// <exception cref="DeviceException">The host has too little memory for the state, or the device fails.</exception>
    public AdamW(IReadOnlyList<OptimizedParameter> parameters, AdamWOptions options, OffloadPlan? offload = null)
    {
        using var noGradient = no_grad();
        _options = options;
        _slots = [.. parameters.Select(parameter => new AdamWSlot(parameter))];
        _state = offload is null ? new ResidentState(parameters) : new OffloadedState(parameters, offload);
        // One launch for many: on a GPU, in bfloat16.
        if (_slots.Length > 0 && _slots.All(slot => slot.CanBeFused))
            _fused = new FusedAdamW(_slots[0].Weight.device);
    }

    /// <summary>Updates so far.</summary>
    public int Steps { get; private set; }

    /// <summary>False while an update is made, and after one that failed halfway or made a weight infinite or NaN.</summary>
    public bool IsWhole { get; private set; } = true;

    /// <summary>Bytes that <see cref="Save"/> writes for a parameter: two moments, and the master copy of a narrow one.</summary>
    public static long StateBytesOf(Tensor parameter) => IsNarrow(parameter)
        ? parameter.numel() * 3 * sizeof(float)
        : parameter.numel() * 2 * parameter.element_size();

    /// <summary>
    /// The factor that brings a gradient of that norm down to the limit, as torch's clip_grad_norm_; limit 0 gives 1.
    /// </summary>
    public static double ClipFactor(double norm, double limit) =>
        limit > 0 ? Math.Min(1, limit / (norm + 1e-6)) : 1;

    /// <summary>Forgets all gradients.</summary>
    public void ZeroGradients()
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        foreach (var slot in _slots)
            slot.ForgetGradient();
    }

    /// <summary>
    /// Call after each backward pass: adds the gradients of narrow parameters to their float32 sums.
    /// </summary>
    public void Accumulate()
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        foreach (var slot in _slots)
            slot.Accumulate();
    }

    /// <summary>
    /// [as the parameter] its gradient in float32, for a pass that adds to it itself; valid until the next update.
    /// </summary>
    public Tensor GradientSum(Tensor parameter) => _slots.Single(slot => slot.IsOf(parameter)).GradientSum();

    /// <summary>The norm of all gradients as one vector. Waits for the device.</summary>
    public double GradientNorm()
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        if (UsesFused)
        {
            using var pieces = _fused!.Divide(Parts());
            return _fused.GradientNorm(pieces);
        }
        var norms = _slots.Where(slot => slot.HasGradient).Select(slot => slot.Gradient().norm()).ToArray();
        return norms.Length == 0 ? 0 : stack(norms).to_type(ScalarType.Float64).norm().cpu().item<double>();
    }

    /// <summary>The first parameter with a gradient that is not finite; null if all are.</summary>
    public string? FirstBrokenGradient()
    {
        using var scope = NewDisposeScope();
        return FiniteCheck.FirstBroken(
            _slots.Where(slot => slot.HasGradient).Select(slot => (slot.Name, slot.Gradient())));
    }

    /// <summary>The first weight or moment that is not finite; null if all are.</summary>
    public string? FirstBrokenState() => FiniteCheck.FirstBroken(Weights()) ?? FiniteCheck.FirstBroken(State());

    /// <summary>
    /// One update with the gradients times <paramref name="gradientScale"/>; then forgets them.
    /// </summary>
    /// <exception cref="NotFiniteNumberException">
    /// The learning rate is beyond float32, and nothing has changed; or a weight is not finite any more: the model is
    /// lost.
    /// </exception>
    public void Step(double learningRate, double gradientScale = 1)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        if (!float.IsFinite((float)(learningRate / (1 - _options.Beta1))))
            throw new NotFiniteNumberException($"A step at learning rate {learningRate} is beyond float32.", learningRate);
        Steps++;
        IsWhole = false;
        var factors = new AdamWFactors(_options, learningRate, gradientScale, Steps);
        var broken = UsesFused ? UpdateFused(factors) : UpdateEach(factors);
        if (broken is not null)
            throw new NotFiniteNumberException($"{broken} is not finite after optimizer step {Steps}.");
        IsWhole = true;
    }

    /// <summary>
    /// Writes the optimizer's state for a resumed run: both moments, the master copies, the number of updates.
    /// </summary>
    public void Save(string path)
    {
        using var scope = NewDisposeScope();
        using var steps = tensor((long[])[Steps]);
        SafetensorsWriter.Write(path, [(StepTensor, steps), .. State()]);
    }

    /// <summary>
    /// Takes over what <see cref="Save"/> wrote. Names, shapes and types are checked before anything changes. Where master
    /// copies were saved and the parameters are of 32 bits now, they become the parameters.
    /// </summary>
    /// <returns>
    /// False where the parameters are narrow and no master copies were saved: <see cref="TakeMasters"/> must follow.
    /// </returns>
    /// <exception cref="CheckpointException">
    /// The file can't be read, or a tensor is missing, of another shape or type, or not finite.
    /// </exception>
    public bool Load(string path)
    {
        using var noGradient = no_grad();
        using var steps = empty(1, ScalarType.Int64);
        using var scope = NewDisposeScope();
        var hasMasters = TensorFile.Names(path).Any(name => name.StartsWith(MasterPrefix, StringComparison.Ordinal));
        _state.Settle();
        TensorFile.Read(
            path,
            [
                (StepTensor, steps),
                .. Moments(),
                .. hasMasters ? _slots.Select((slot, i) => (MasterPrefix + slot.Name, _state.Master(i))) : [],
            ]);
        Steps = (int)steps.item<long>();
        return hasMasters || _slots.All(slot => !slot.IsNarrow);
    }

    /// <summary>Takes over the master copies of a run whose parameters had 32 bits: its weights.</summary>
    /// <param name="exact">The same parameters in float32, on any device.</param>
    public void TakeMasters(IEnumerable<Tensor> exact)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        _state.Settle();
        foreach (var (parameter, i) in exact.Select((parameter, i) => (parameter, i)))
            _state.Master(i).copy_(parameter);
    }

    // A parameter without a gradient stays as it is, which the fused step can't do.
    private bool UsesFused => _fused is not null && _slots.All(slot => slot.HasGradient);

    /// <summary>Both return the name of the first weight that is not finite after the update; null if all are.</summary>
    private string? UpdateFused(AdamWFactors factors)
    {
        using var pieces = _fused!.Divide(Parts());
        _state.ForEachChunk(chunk => _fused.Update(pieces, chunk, factors));
        var broken = pieces.FirstBroken();
        ZeroGradients();
        return broken is { } index ? _slots[index].Name : null;
    }

    private string? UpdateEach(AdamWFactors factors)
    {
        using var rates = new AdamWRates(factors);
        _state.ForEachChunk(chunk =>
        {
            foreach (var (_, part) in _state.PartsOf(chunk, Gradient))
                part.Update(rates);
        });
        ZeroGradients();
        return FiniteCheck.FirstBroken(Weights());
    }

    /// <summary>The parts of all chunks.</summary>
    private IReadOnlyList<IReadOnlyList<(int Parameter, AdamWPart Part)>> Parts() =>
        [.. Enumerable.Range(0, _state.ChunkCount).Select(chunk => _state.PartsOf(chunk, Gradient).ToArray())];

    private Tensor? Gradient(int parameter) => _slots[parameter].HasGradient ? _slots[parameter].Gradient() : null;

    private IEnumerable<(string Name, Tensor Value)> Weights() => _slots.Select(slot => (slot.Name, slot.Weight));

    private IEnumerable<(string Name, Tensor Value)> Moments() =>
        _slots.Select((slot, i) => ($"exp_avg.{slot.Name}", _state.Mean(i)))
            .Concat(_slots.Select((slot, i) => ($"exp_avg_sq.{slot.Name}", _state.Square(i))));

    /// <summary>What a checkpoint holds, once nothing changes it.</summary>
    private IEnumerable<(string Name, Tensor Value)> State()
    {
        _state.Settle();
        var masters = _slots.Select((slot, i) => (slot, i)).Where(entry => entry.slot.IsNarrow)
            .Select(entry => (MasterPrefix + entry.slot.Name, _state.Master(entry.i)));
        return [.. Moments(), .. masters];
    }

    internal static bool IsNarrow(Tensor parameter) => parameter.dtype.ElementSize() < 4;

    public void Dispose()
    {
        _fused?.Dispose();
        _state.Dispose();
        foreach (var slot in _slots)
            slot.Dispose();
    }
}
