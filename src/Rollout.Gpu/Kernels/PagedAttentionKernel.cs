using Rollout.Gpu.Interop;

namespace Rollout.Gpu.Kernels;

/// <summary>
/// Launches paged_attention*.cu and merge_attention.cu: attention over block tables by an <see
/// cref="AttentionSchedule"/>.
/// </summary>
internal sealed class PagedAttentionKernel
{
    private const int HeadsOfMergeBlock = 4;

    // The rows of a decode step have a thread block each. The many tokens of prompts, few of which are merged, share
    // them.
    private const int MergeBlocks = 512;
    private const double Log2E = 1.4426950408889634;

    private readonly CudaFunction _attend;
    private readonly CudaFunction _merge;
    private readonly KernelShape _shape;
    private readonly int _threads;
    private readonly int _sharedBytes;
    private readonly float _scale;

    public PagedAttentionKernel(CudaModule attend, CudaModule merge, KernelShape shape, CudaDeviceInfo device)
    {
        _shape = shape;
        _attend = attend.Function("paged_attention");
        _merge = merge.Function("merge_attention");
        _threads = AttentionLaunch.Threads(shape);
        _sharedBytes = AttentionLaunch.SharedBytes(shape, device.SharedBytesPerBlock);
        _scale = (float)(Log2E / Math.Sqrt(shape.HeadDim));
        _attend.AllowDynamicShared(_sharedBytes);
        BlocksPerMultiprocessor = Math.Max(1, _attend.BlocksPerMultiprocessor(_threads, _sharedBytes));
        Parts = Math.Max(1, device.MultiprocessorCount * BlocksPerMultiprocessor / shape.KvHeads);
    }

    /// <summary>Thread blocks that run at once for each KV head, and so the parts of a schedule.</summary>
    public int Parts { get; }

    internal int BlocksPerMultiprocessor { get; }

    internal CudaFunction Function => _attend;

    /// <summary>Bytes that one layer's partial results take. The next layer reuses them.</summary>
    public long WorkspaceBytes(StepInputs layout) =>
        (long)_shape.KvHeads * layout.MaxPartialVectors * sizeof(float) * (_shape.HeadDim + 2);

    /// <summary>Launches attention, then the merge of its partial results.</summary>
    /// <param name="stream">The stream that runs the kernel.</param>
    /// <param name="layout">The layout of the packed buffer, for <see cref="Parts"/> parts.</param>
    /// <param name="inputs">The packed buffer on the device, with the step's schedule.</param>
    /// <param name="prepared">The step's positions.</param>
    /// <param name="query">[tokens, heads, head_dim], rotated.</param>
    /// <param name="keys">The layer's [blocks, kv_heads, block_size, head_dim], this step's tokens written.</param>
    /// <param name="values">The layer's values, in the same shape.</param>
    /// <param name="result">[tokens, heads, head_dim], written except for padding.</param>
    /// <param name="workspace">Memory of <see cref="WorkspaceBytes"/>.</param>
    /// <param name="tokens">Tokens, padding included.</param>
    public void Launch(
        CudaStream stream, StepInputs layout, nint inputs, in PreparedTokens prepared, nint query, nint keys,
        nint values, nint result, nint workspace, int tokens)
    {
        if (layout.Capacity.Parts != Parts)
        {
            throw new ArgumentException(
                $"The layout is for a schedule of {layout.Capacity.Parts} parts, and these kernels need {Parts}.");
        }
        ArgumentOutOfRangeException.ThrowIfGreaterThan(tokens, layout.Capacity.Tokens);
        var capacity = layout.MaxPartialVectors;
        var softmax = workspace + (nint)((long)_shape.KvHeads * capacity * _shape.HeadDim * sizeof(float));

        var arguments = default(KernelArguments);
        arguments.Add(query);
        arguments.Add(keys);
        arguments.Add(values);
        arguments.Add(PrepareStep.At(inputs, layout.PartStart));
        arguments.Add(PrepareStep.At(inputs, layout.Segments));
        arguments.Add(PrepareStep.At(inputs, layout.SharedTokens));
        arguments.Add(PrepareStep.At(inputs, layout.BlockTables));
        arguments.Add(prepared.Positions);
        arguments.Add(result);
        arguments.Add(workspace);
        arguments.Add(softmax);
        arguments.Add(capacity);
        arguments.Add(_scale);
        _attend.Launch((_shape.KvHeads, Parts), _threads, _sharedBytes, stream, arguments);

        var merging = default(KernelArguments);
        merging.Add(PrepareStep.At(inputs, layout.Counts));
        merging.Add(PrepareStep.At(inputs, layout.MergeStart));
        merging.Add(PrepareStep.At(inputs, layout.MergeEntries));
        merging.Add(workspace);
        merging.Add(softmax);
        merging.Add(capacity);
        merging.Add(result);
        var headBlocks = (_shape.QueryHeads + HeadsOfMergeBlock - 1) / HeadsOfMergeBlock;
        _merge.Launch((Math.Min(tokens, MergeBlocks), headBlocks), 32 * HeadsOfMergeBlock, 0, stream, merging);
    }
}
