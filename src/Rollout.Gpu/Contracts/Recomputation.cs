namespace Rollout.Gpu.Contracts;

/// <summary>What a backward pass by kernels computes again, so that the forward pass need not keep it.</summary>
public enum Recomputation
{
    /// <summary>Norms, rotations and gates, which cost little.</summary>
    None,

    /// <summary>
    /// The products before attention and gate too: queries, keys and values, gate and up. What attention gives is kept.
    /// </summary>
    AttentionAndGate,

    /// <summary>Whole layers: only each layer's input is kept (Chen et al. 2016, arXiv 1604.06174).</summary>
    Layers,
}
