using Rollout.Gpu.Interop;

namespace Rollout.Gpu.Kernels;

/// <summary>
/// Launches gather_rows.cu, which reads the embeddings of tokens, or the hidden states to sample from.
/// </summary>
internal sealed class GatherRows(CudaModule module)
{
    private readonly CudaFunction _function = module.Function("gather_rows");

    /// <summary>result[i] = table[indices[i]], zeros for a negative index.</summary>
    /// <param name="stream">The stream that runs the kernel.</param>
    /// <param name="table">[any, width].</param>
    /// <param name="indices">[rows] int32.</param>
    /// <param name="result">[rows, width].</param>
    /// <param name="rows">Rows of the result.</param>
    /// <param name="width">Numbers of a row.</param>
    public void Launch(CudaStream stream, nint table, nint indices, nint result, int rows, int width)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        var arguments = default(KernelArguments);
        arguments.Add(table);
        arguments.Add(indices);
        arguments.Add(result);
        arguments.Add(width);
        _function.Launch((rows, 1), 128, 0, stream, arguments);
    }
}
