using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Rollout.Gpu.Models;

/// <summary>
/// y = x Wᵀ + b, and what an adapter adds. W may stack the rows of several projections of the same input, so that one
/// product computes them all. <see cref="CheckpointTensor"/> gives each part under its own name.
/// </summary>
internal sealed class Projection : nn.Module
{
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    [ComponentName(Name = "bias")]
    private readonly Parameter? _bias;

    public Projection(int inputs, int outputs, bool hasBias, ScalarType dtype, Device device)
        : base(nameof(Projection))
    {
        _weight = ModelParameter.Zeros([outputs, inputs], dtype, device);
        _bias = hasBias ? ModelParameter.Zeros([outputs], dtype, device) : null;
        RegisterComponents();
    }

    /// <summary>[outputs, inputs].</summary>
    public Parameter Weight => _weight;

    /// <summary>[outputs], or null without a bias.</summary>
    public Parameter? Bias => _bias;

    /// <summary>Added to every result of <see cref="Forward"/>; null without one. Disposed with the projection.</summary>
    public LoraAdapter? Adapter { get; set; }

    /// <summary>[tokens, inputs] → [tokens, outputs].</summary>
    public Tensor Forward(Tensor input)
    {
        var output = nn.functional.linear(input, _weight, _bias);
        if (Adapter is { IsOn: true } adapter)
            adapter.AddTo(output, input);
        return output;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            Adapter?.Dispose();
        base.Dispose(disposing);
    }
}
