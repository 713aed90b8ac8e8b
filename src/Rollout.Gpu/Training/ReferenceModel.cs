using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// The policy that the KL term compares with: the initial one, or one that follows the policy from time to time. It
/// computes only at the beginning of a training step; between them it may wait in host memory.
/// </summary>
internal sealed class ReferenceModel : IReferencePolicy, IDisposable
{
    /// <summary>Its weights in a checkpoint folder, once it is not the initial policy any more.</summary>
    public const string File = "reference.safetensors";

    private readonly ReferenceOptions _options;
    private readonly Device _device;
    private readonly CausalLm _weights;
    private readonly Func<CausalLm, ICompletionPass> _passOf;
    private bool _isInitial = true;

    /// <param name="initial">The initial policy, on the device that computes; this object's from here on.</param>
    /// <param name="options">When it follows the policy, and where it waits.</param>
    /// <param name="passOf">How a model's log-probabilities are computed.</param>
    public ReferenceModel(CausalLm initial, ReferenceOptions options, Func<CausalLm, ICompletionPass> passOf)
    {
        _options = options;
        _device = initial.Device;
        _passOf = passOf;
        _weights = options.Offload ? Copy(initial, CPU) : initial;
        if (options.Offload)
            initial.Dispose();
    }

    /// <inheritdoc/>
    public T Use<T>(Func<ICompletionPass, T> compute)
    {
        if (!_options.Offload)
            return compute(_passOf(_weights));
        using var model = Copy(_weights, _device);
        return compute(_passOf(model));
    }

    /// <summary>Follows the policy, if a synchronisation is due after this training step.</summary>
    public void Follow(CausalLm policy, PolicyVersion step)
    {
        if (_options.SyncEvery == 0 || step.Value % _options.SyncEvery != 0)
            return;
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        using Scalar alpha = _options.MixupAlpha.ToScalar(), rest = (1 - _options.MixupAlpha).ToScalar();
        foreach (var (own, followed) in _weights.parameters().Zip(policy.parameters()))
        {
            if (_options.MixupAlpha == 1)
                own.copy_(followed);
            else
                own.mul_(rest).add_(followed.to(own.device), alpha);
        }

        _isInitial = false;
    }

    /// <summary>Writes the weights into a checkpoint's folder, unless they are the initial policy's.</summary>
    public void Save(string folder)
    {
        if (!_isInitial)
            SafetensorsWriter.Write(Path.Combine(folder, File), State());
    }

    /// <summary>Takes over what <see cref="Save"/> wrote; without it, this stays the initial policy.</summary>
    /// <exception cref="CheckpointException">The file is not of this model.</exception>
    public void Load(string folder)
    {
        var path = Path.Combine(folder, File);
        if (!System.IO.File.Exists(path))
            return;
        TensorFile.Read(path, State());
        _isInitial = false;
    }

    public void Dispose() => _weights.Dispose();

    /// <summary>A model of the same weights, which takes no gradients.</summary>
    public static CausalLm Copy(CausalLm model, Device device)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var copy = new CausalLm(model.Config, model.Dtype, device);
        foreach (var (own, other) in copy.parameters().Zip(model.parameters()))
        {
            own.requires_grad_(false);
            own.copy_(other);
        }

        return copy;
    }

    private (string Name, Tensor Value)[] State() =>
        [.. _weights.named_parameters().Select(entry => (entry.name, (Tensor)entry.parameter))];
}
