namespace Rollout.Gpu.Kernels;

/// <summary>Where, on the device, what every layer needs of each token of a step lies; prepare_step writes it.</summary>
/// <param name="Tokens">[tokens] int32 vocabulary ids, those just sampled put in.</param>
/// <param name="Positions">[tokens] int32.</param>
/// <param name="Slots">[tokens] int32, −1 for padding.</param>
/// <param name="Angles">[tokens, head_dim / 2] of two floats: cosine and sine.</param>
internal readonly record struct PreparedTokens(nint Tokens, nint Positions, nint Slots, nint Angles)
{
    /// <summary>Bytes of memory for so many tokens.</summary>
    public static long BytesFor(int tokens, KernelShape shape) => tokens * (AlignedIntBytes + (4L * shape.HeadDim));

    /// <summary>Lays them out in memory of <see cref="BytesFor"/> bytes.</summary>
    public static PreparedTokens At(nint memory, int tokens) => new(
        memory, memory + (4 * tokens), memory + (8 * tokens), memory + (AlignedIntBytes * tokens));

    // Three numbers and one unused, so that the angles begin where a 16-byte access may.
    private const int AlignedIntBytes = 16;
}
