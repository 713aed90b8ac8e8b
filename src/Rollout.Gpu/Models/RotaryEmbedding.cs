using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using static TorchSharp.torch;

namespace Rollout.Gpu.Models;

/// <summary>The angles of one forward pass, which every layer uses.</summary>
/// <param name="Cos">[tokens, 1, head_dim]</param>
/// <param name="SignedSin">[tokens, 1, head_dim], negative in the first half of the head.</param>
internal readonly record struct RotaryAngles(Tensor Cos, Tensor SignedSin);

/// <summary>
/// Rotary position embedding in the half-split layout of Hugging Face checkpoints: component i of a head rotates with
/// component i + head_dim / 2. With rotate_half(x) = (−x₂, x₁), y = x cos + rotate_half(x) sin. The sine carries the
/// minus here, so that rotate_half is a roll.
/// </summary>
internal sealed class RotaryEmbedding : IDisposable
{
    private readonly Tensor _signedFrequencies; // [1, 1, head_dim] radians per position
    private readonly ScalarType _dtype;
    private readonly long _half;

    public RotaryEmbedding(RopeSettings settings, int headDim, ScalarType dtype, Device device)
    {
        var frequencies = settings.InverseFrequencies(headDim);
        float[] signed = [.. frequencies.Select(frequency => -frequency), .. frequencies];
        using var flat = tensor(signed, ScalarType.Float32, device);
        _signedFrequencies = flat.view(1, 1, headDim).DetachFromDisposeScope();
        _dtype = dtype;
        _half = headDim / 2;
    }

    /// <summary>Computes the angles of these positions, which the caller's dispose scope owns.</summary>
    /// <param name="positions">[tokens] int64.</param>
    public RotaryAngles AnglesOf(Tensor positions)
    {
        using var scope = NewDisposeScope();
        var angles = positions.view(-1, 1, 1).mul(_signedFrequencies); // [tokens, 1, head_dim] float32
        var cos = angles.cos();
        var sin = angles.sin();
        if (_dtype != ScalarType.Float32)
            (cos, sin) = (cos.to(_dtype), sin.to(_dtype));
        return new RotaryAngles(cos.MoveToOuterDisposeScope(), sin.MoveToOuterDisposeScope());
    }

    /// <summary>[tokens, heads, head_dim] → the same shape, each head rotated by its token's angles.</summary>
    public Tensor Rotate(Tensor heads, RotaryAngles angles)
    {
        using var rolled = heads.roll(_half, -1); // (x₂, x₁)
        return heads.mul(angles.Cos).addcmul_(rolled, angles.SignedSin, Scalars.One);
    }

    public void Dispose() => _signedFrequencies.Dispose();
}
