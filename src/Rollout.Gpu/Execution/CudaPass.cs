using Rollout.Gpu.Cache;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Kernels;
using Rollout.Gpu.Models;

namespace Rollout.Gpu.Execution;

/// <summary>
/// The operations of a forward pass on a GPU: kernels and matrix products from buffer to buffer, queued on one
/// stream. They allocate nothing and wait for nothing, so that a graph can record them.
/// </summary>
/// <param name="kernels">Kernels for the model's shape and type.</param>
/// <param name="products">Matrix products of the model's type.</param>
/// <param name="adapters">What the model's adapters add to them.</param>
/// <param name="values">Memory for values between operations.</param>
/// <param name="memory">The other memory of a step.</param>
/// <param name="config">The model's shape.</param>
/// <param name="stream">The stream that all work is queued on.</param>
internal sealed class CudaPass(
    KernelLibrary kernels, MatrixProducts products, AdapterProducts adapters, WorkBuffers values, StepMemory memory,
    ModelConfig config, CudaStream stream) : IForwardPass<DeviceRows>
{
    private readonly float _epsilon = (float)config.RmsNormEps;
    private CudaKvPool? _pool;
    private StepInputs? _layout;
    private int _rows;

    /// <summary>Sets the pool of keys and values. Without one, only passes without tokens can run.</summary>
    public void Use(CudaKvPool pool) => _pool = pool;

    /// <summary>Starts a pass over so many rows, padding included.</summary>
    public void Begin(int rows, StepInputs layout)
    {
        (_rows, _layout) = (rows, layout);
        values.Clear();
    }

    public DeviceRows Embed(Projection table) =>
        Gather(TorchTensors.Pointer(table.Weight), memory.Prepared.Tokens, _rows);

    /// <summary>[rows, hidden] the hidden states of the rows to sample from. The input is kept.</summary>
    public DeviceRows Select(DeviceRows hidden, int rows) =>
        Gather(hidden.Pointer, PrepareStep.At(memory.Inputs, _layout!.LogitTokens), rows);

    public DeviceRows Norm(DeviceRows input, RmsNorm norm)
    {
        var result = values.Reserve();
        kernels.Norm.Normalize(
            stream, input.Pointer, TorchTensors.Pointer(norm.Weight), result.Pointer, _rows, config.HiddenSize,
            _epsilon);
        return result;
    }

    public DeviceRows AddAndNorm(ref DeviceRows residual, DeviceRows update, RmsNorm norm)
    {
        kernels.Norm.AddNormalize(
            stream, update.Pointer, residual.Pointer, TorchTensors.Pointer(norm.Weight), update.Pointer, _rows,
            config.HiddenSize, _epsilon);
        return update;
    }

    public DeviceRows Project(DeviceRows input, Projection projection)
    {
        var result = values.Reserve();
        products.Multiply(input.Pointer, projection, result.Pointer, _rows);
        adapters.AddTo(result.Pointer, projection, input.Pointer, _rows);
        values.Release(input);
        return result;
    }

    public DeviceRows Attend(DeviceRows heads, Attention attention)
    {
        var norms = attention.QkNorm is { } norm ? TorchTensors.Pointer(norm.Weight) : 0;
        var (keys, cachedValues) = _pool is null ? (0, 0) : (_pool.Keys(attention.Layer), _pool.Values(attention.Layer));
        var query = values.Reserve();
        kernels.WriteKv.Launch(
            stream, heads.Pointer, norms, memory.Prepared, query.Pointer, keys, cachedValues, _rows, _epsilon);
        values.Release(heads);
        var result = values.Reserve();
        kernels.Attention.Launch(
            stream, _layout!, memory.Inputs, memory.Prepared, query.Pointer, keys, cachedValues, result.Pointer,
            memory.Partials, _rows);
        values.Release(query);
        return result;
    }

    public DeviceRows Gate(DeviceRows halves)
    {
        var result = values.Reserve();
        kernels.Gate.Launch(stream, halves.Pointer, result.Pointer, _rows, config.IntermediateSize);
        values.Release(halves);
        return result;
    }

    private DeviceRows Gather(nint table, nint indices, int rows)
    {
        var result = values.Reserve();
        kernels.Gather.Launch(stream, table, indices, result.Pointer, rows, config.HiddenSize);
        return result;
    }
}
