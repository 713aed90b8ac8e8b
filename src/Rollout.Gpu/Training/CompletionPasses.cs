using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using TorchSharp;

namespace Rollout.Gpu.Training;

/// <summary>
/// Creates the passes of a trainer's models, which all have one shape: by kernels on a GPU that supports it, else by
/// autograd.
/// </summary>
internal sealed class CompletionPasses : IDisposable
{
    private readonly double _temperature;
    private readonly long _logitElements;

    /// <param name="model">A model of the shape, where the others are too.</param>
    /// <param name="temperature">Divides the logits, as the sampler does.</param>
    /// <param name="logitElements">
    /// Elements of one chunk of logits under autograd; 0 takes the device's default.
    /// </param>
    /// <param name="autograd">Use autograd on a GPU too.</param>
    /// <param name="recompute">What backward passes by kernels compute again.</param>
    /// <exception cref="DeviceException">A library is missing, or the device fails.</exception>
    public CompletionPasses(
        CausalLm model, double temperature, long logitElements = 0, bool autograd = false,
        Recomputation recompute = Recomputation.None)
    {
        _temperature = temperature;
        _logitElements = logitElements > 0 ? logitElements : CompletionPass.DefaultLogitElements(model.Device);
        Tools = autograd || model.Device.type != DeviceType.CUDA || model.Adapter is not null ? null : Supported(model, recompute);
    }

    /// <summary>What passes by kernels share; null where passes are autograd's.</summary>
    public TrainingTools? Tools { get; }

    /// <summary>Collects the gradients of passes by kernels; set before any is computed.</summary>
    public AdamW? Optimizer { get; set; }

    /// <param name="model">The weights.</param>
    public ICompletionPass Of(CausalLm model) => Of(model, hits: null);

    /// <param name="model">The weights.</param>
    /// <param name="hits">Notes the targets whenever their logits are computed; null notes none.</param>
    public ICompletionPass Of(CausalLm model, GreedyHits? hits) => Tools is null
        ? new CompletionPass(model, _temperature, _logitElements, hits)
        : new KernelCompletionPass(Tools, model, _temperature, parameter => Optimizer!.GradientSum(parameter), hits);

    public void Dispose() => Tools?.Dispose();

    private static TrainingTools? Supported(CausalLm model, Recomputation recompute)
    {
        try
        {
            return new TrainingTools(model) { Recompute = recompute };
        }
        catch (Exception cause) when (cause is UnsupportedModelException or UnsupportedDeviceException)
        {
            return null;
        }
    }
}
