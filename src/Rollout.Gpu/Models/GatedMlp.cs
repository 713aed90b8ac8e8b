using Rollout.Gpu.Contracts;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Rollout.Gpu.Models;

/// <summary>
/// down(silu(gate(x)) · up(x)) (SwiGLU, Shazeer 2020, arXiv 2002.05202), with one product for gate and up.
/// </summary>
internal sealed class GatedMlp : nn.Module
{
    // The rows are gate, then up.
    [ComponentName(Name = "gate_up_proj")]
    private readonly Projection _gateUpProj;

    [ComponentName(Name = "down_proj")]
    private readonly Projection _downProj;

    public GatedMlp(ModelConfig config, ScalarType dtype, Device device)
        : base(nameof(GatedMlp))
    {
        _gateUpProj = new Projection(
            config.HiddenSize, 2 * config.IntermediateSize, config.HasMlpBias, dtype, device);
        _downProj = new Projection(
            config.IntermediateSize, config.HiddenSize, config.HasMlpBias, dtype, device);
        RegisterComponents();
    }

    public Projection GateUpProj => _gateUpProj;

    public Projection DownProj => _downProj;

    /// <summary>[tokens, hidden] → [tokens, hidden], without the residual.</summary>
    public T Forward<T>(IForwardPass<T> pass, T hidden) =>
        pass.Project(pass.Gate(pass.Project(hidden, _gateUpProj)), _downProj);
}
