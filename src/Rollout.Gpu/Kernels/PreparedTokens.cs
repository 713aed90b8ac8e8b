namespace Rollout.Gpu.Kernels;

/// <summary>
/// Addresses on the device of what every layer needs of each token. prepare_step writes it once a step.
/// </summary>
/// <param name="Tokens">[tokens] int32 vocabulary ids, with those that the step before sampled filled in.</param>
/// <param name="Positions">[tokens] int32.</param>
/// <param name="Slots">[tokens] int32, −1 for padding.</param>
/// <param name="Angles">[tokens, head_dim / 2] of two floats: cosine and sine.</param>
internal readonly record struct PreparedTokens(nint Tokens, nint Positions, nint Slots, nint Angles)
{
    /// <summary>Bytes that so many tokens take.</summary>
    public static long BytesFor(int tokens, KernelShape shape) => tokens * (AlignedIntBytes + (4L * shape.HeadDim));

    /// <summary>Lays out memory of <see cref="BytesFor"/> bytes.</summary>
    public static PreparedTokens At(nint memory, int tokens) => new(
        memory, memory + (4 * tokens), memory + (8 * tokens), memory + (AlignedIntBytes * tokens));

    // Three numbers and an unused one, so that the angles are 16-byte aligned.
    private const int AlignedIntBytes = 16;
}
