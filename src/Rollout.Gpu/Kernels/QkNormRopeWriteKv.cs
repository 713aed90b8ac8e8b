using Rollout.Gpu.Interop;

namespace Rollout.Gpu.Kernels;

/// <summary>
/// Launches qk_norm_rope_write_kv.cu, which norms and rotates queries and keys and writes keys and values to their
/// slots.
/// </summary>
internal sealed class QkNormRopeWriteKv(CudaModule module, KernelShape shape)
{
    private const int HeadsOfBlock = 4;

    private readonly CudaFunction _function = module.Function("qk_norm_rope_write_kv");
    private readonly int _headBlocks = (shape.QueryHeads + (2 * shape.KvHeads) + HeadsOfBlock - 1) / HeadsOfBlock;

    /// <summary>Launches the kernel and does not wait for it.</summary>
    /// <param name="stream">The stream that runs the kernel.</param>
    /// <param name="qkv">[tokens, heads + 2 kv_heads, head_dim].</param>
    /// <param name="normWeights">
    /// The address of [2, head_dim], q_norm and k_norm; 0 where the model has no norms.
    /// </param>
    /// <param name="prepared">The step's slots and angles.</param>
    /// <param name="query">[tokens, heads, head_dim], written.</param>
    /// <param name="keys">The layer's [blocks, kv_heads, block_size, head_dim].</param>
    /// <param name="values">The layer's values, in the same shape.</param>
    /// <param name="tokens">Tokens, padding included.</param>
    /// <param name="epsilon">Added to the mean square.</param>
    public void Launch(
        CudaStream stream, nint qkv, nint normWeights, in PreparedTokens prepared, nint query, nint keys,
        nint values, int tokens, float epsilon)
    {
        var arguments = default(KernelArguments);
        arguments.Add(qkv);
        arguments.Add(normWeights);
        arguments.Add(prepared.Angles);
        arguments.Add(prepared.Slots);
        arguments.Add(query);
        arguments.Add(keys);
        arguments.Add(values);
        arguments.Add(epsilon);
        arguments.Add(normWeights == 0 ? 0 : 1);
        _function.Launch((tokens, _headBlocks), 32 * HeadsOfBlock, 0, stream, arguments);
    }
}
