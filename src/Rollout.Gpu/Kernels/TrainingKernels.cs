using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;

namespace Rollout.Gpu.Kernels;

/// <summary>
/// The kernels of a training step for one model shape on one device. Rows of tokens are packed; a launch allocates
/// nothing and waits for nothing. Used by one thread, on which the context is current.
/// </summary>
internal sealed class TrainingKernels : IDisposable
{
    private const int Threads = 256;

    // Thread blocks of kernels that sum over tokens. Each has a row of partial sums.
    private const int BlocksOfMultiprocessor = 8;

    private readonly List<CudaModule> _modules = [];
    private readonly CudaFunction _normBackward;
    private readonly CudaFunction _rotateBackward;
    private readonly CudaFunction _gateBackward;
    private readonly CudaFunction _crossEntropy;
    private readonly CudaFunction _angles;
    private readonly CudaFunction _scaleRows;
    private readonly CudaFunction _scatterRows;
    private readonly CudaFunction _addEmbedding;
    private readonly CudaFunction _addColumnSums;
    private readonly CudaFunction _addBiasGradient;
    private readonly CudaFunction _mergeShared;
    private readonly KernelShape _shape;
    private readonly int _blocks;

    private TrainingKernels(CudaDeviceInfo device, KernelShape shape, IEnumerable<byte[]> cubins)
    {
        (_shape, _blocks) = (shape, BlocksOfMultiprocessor * device.MultiprocessorCount);
        try
        {
            foreach (var cubin in cubins)
                _modules.Add(new CudaModule(cubin));
            CudaModule Of(string file) => _modules[Array.IndexOf(KernelSource.Training, file)];
            Gather = new GatherRows(Of("gather_rows"));
            Norm = new RmsNormKernel(Of("rms_norm"), device);
            Rotate = new QkNormRopeWriteKv(Of("qk_norm_rope_write_kv"), shape);
            Gate = new SiluMul(Of("silu_mul"), shape);
            _normBackward = Of("rms_norm_backward").Function("rms_norm_backward");
            _normBackward.AllowDynamicShared(RmsNormKernel.SharedBytes(device));
            _rotateBackward = Of("qk_norm_rope_backward").Function("qk_norm_rope_backward");
            _gateBackward = Of("silu_mul_backward").Function("silu_mul_backward");
            _crossEntropy = Of("cross_entropy").Function("cross_entropy");
            _mergeShared = Of("merge_shared").Function("merge_shared");
            var rows = Of("training_rows");
            _angles = rows.Function("training_angles");
            _scaleRows = rows.Function("scale_rows");
            _scatterRows = rows.Function("scatter_rows");
            _addEmbedding = rows.Function("add_embedding");
            _addColumnSums = rows.Function("add_column_sums");
            _addBiasGradient = rows.Function("add_bias_gradient");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public GatherRows Gather { get; }

    public RmsNormKernel Norm { get; }

    /// <summary>Compiled for blocks of one token: keys and values are packed rows, and a token's slot is its number.</summary>
    public QkNormRopeWriteKv Rotate { get; }

    public SiluMul Gate { get; }

    /// <summary>Loads the kernels from the cache, or compiles them.</summary>
    /// <exception cref="DeviceException">The device or the compiler refuses.</exception>
    public static TrainingKernels Load(CudaDeviceInfo device, KernelShape shape, Nvrtc compiler, KernelCache cache)
    {
        var packed = (shape with { BlockSize = 1 }).Checked();
        var cubins = KernelLibrary.Compile(
            KernelSource.Training, packed, device.Architecture, device.SharedBytesPerBlock, compiler, cache);
        return new TrainingKernels(device, packed, cubins);
    }

    /// <summary>Bytes of partial sums that gradients of norms need, of rows of at most that width.</summary>
    public long PartialBytes(int width) => (long)_blocks * Math.Max(width, 2 * _shape.HeadDim) * sizeof(float);

    /// <summary>Writes cosine and sine [tokens, head_dim / 2] of positions [tokens] int32.</summary>
    public void Angles(CudaStream stream, nint positions, nint frequencies, nint angles, int tokens) =>
        _angles.Launch(
            (tokens, 1), 64, 0, stream, Arguments(positions, frequencies, angles).And(_shape.HeadDim / 2));

    /// <summary>
    /// The gradient of a norm: dLoss/dx into <paramref name="result"/>, added if it adds, and that of its weight added
    /// to <paramref name="weightSum"/>.
    /// </summary>
    /// <param name="stream">The stream that runs the kernels.</param>
    /// <param name="x">[rows, width] the norm's input.</param>
    /// <param name="weight">[width].</param>
    /// <param name="gradient">[rows, width] dLoss/dy.</param>
    /// <param name="result">[rows, width].</param>
    /// <param name="weightSum">[width] float32.</param>
    /// <param name="partials">Memory of <see cref="PartialBytes"/>.</param>
    /// <param name="rows">The number of rows.</param>
    /// <param name="width">Numbers of a row.</param>
    /// <param name="epsilon">Added to the mean square.</param>
    /// <param name="adds">Add to the result, or else overwrite it.</param>
    public void NormBackward(
        CudaStream stream, nint x, nint weight, nint gradient, nint result, nint weightSum, nint partials, int rows,
        int width, float epsilon, bool adds)
    {
        var blocks = Math.Min(rows, _blocks);
        var threads = Math.Clamp((width / 8 + 31) / 32 * 32, 32, 512);
        _normBackward.Launch(
            (blocks, 1), threads, width * sizeof(float), stream,
            Arguments(x, weight, gradient, result, partials).And(rows, width).And(1f / width, epsilon).And(adds ? 1 : 0));
        AddColumnSums(stream, partials, weightSum, blocks, width);
    }

    /// <summary>
    /// The gradient of norm and rotation of queries and keys, and that of values: [tokens, heads + 2 kv_heads, head_dim].
    /// </summary>
    /// <param name="stream">The stream that runs the kernels.</param>
    /// <param name="heads">[tokens, heads + 2 kv_heads, head_dim] the projection's result.</param>
    /// <param name="norms">[2, head_dim], or 0 without norms.</param>
    /// <param name="angles">Of <see cref="Angles"/>.</param>
    /// <param name="query">[tokens, heads, head_dim] dLoss/dquery, rotated.</param>
    /// <param name="key">[tokens, kv_heads, head_dim] dLoss/dkey, rotated.</param>
    /// <param name="value">[tokens, kv_heads, head_dim] dLoss/dvalue.</param>
    /// <param name="result">Written, in the shape of <paramref name="heads"/>.</param>
    /// <param name="normSum">[2, head_dim] float32, added to; 0 without norms.</param>
    /// <param name="partials">Memory of <see cref="PartialBytes"/>.</param>
    /// <param name="tokens">The number of tokens.</param>
    /// <param name="epsilon">Added to the mean square.</param>
    public void RotateBackward(
        CudaStream stream, nint heads, nint norms, nint angles, nint query, nint key, nint value, nint result,
        nint normSum, nint partials, int tokens, float epsilon)
    {
        var blocks = Math.Min(tokens, _blocks);
        _rotateBackward.Launch(
            (blocks, 1), Threads, 0, stream,
            Arguments(heads, norms, angles, query, key, value, result, partials).And(tokens).And(epsilon)
                .And(norms == 0 ? 0 : 1));
        if (norms != 0)
            AddColumnSums(stream, partials, normSum, blocks, 2 * _shape.HeadDim);
    }

    /// <summary>dLoss/d(gate, up) [rows, 2 · width] of dLoss/dresult [rows, width].</summary>
    public void GateBackward(CudaStream stream, nint gateUp, nint gradient, nint result, int rows, int width)
    {
        var perBlock = Threads * (16 / _shape.ElementBytes);
        _gateBackward.Launch(
            (rows, (width + perBlock - 1) / perBlock), Threads, 0, stream, Arguments(gateUp, gradient, result).And(width));
    }

    /// <summary>
    /// Log-probabilities [rows] of targets [rows] from logits [rows, vocab] float32, and one-hot(target) − softmax
    /// [rows, vocab] in the model's type.
    /// </summary>
    /// <param name="stream">The stream that runs the kernel.</param>
    /// <param name="logits">[rows, vocab] float32.</param>
    /// <param name="targets">[rows] int32.</param>
    /// <param name="logprobs">[rows] float32, written.</param>
    /// <param name="gradient">[rows, vocab] written; 0 for none.</param>
    /// <param name="rows">The number of rows.</param>
    /// <param name="vocabulary">Logits of a row.</param>
    /// <param name="temperature">Divides the logits.</param>
    public void CrossEntropy(
        CudaStream stream, nint logits, nint targets, nint logprobs, nint gradient, int rows, int vocabulary,
        double temperature) =>
        _crossEntropy.Launch(
            (rows, 1), 1024, 0, stream,
            Arguments(logits, targets, logprobs, gradient).And(vocabulary).And((float)(1 / temperature)));

    /// <summary>Multiplies each row of [rows, width] by its factor [rows] float32.</summary>
    public void ScaleRows(CudaStream stream, nint values, nint factors, int rows, int width) =>
        _scaleRows.Launch((rows, 1), Threads, 0, stream, Arguments(values, factors).And(width));

    /// <summary>
    /// result [rows, width]: row r is the sum of the rows order[start[r]] … order[start[r + 1] − 1] of
    /// <paramref name="from"/> [any, width] float32, each times its factor [any] float32.
    /// </summary>
    public void ScatterRows(
        CudaStream stream, nint from, nint factors, nint order, nint start, nint result, int rows, int width) =>
        _scatterRows.Launch((rows, 1), Threads, 0, stream, Arguments(from, factors, order, start, result).And(width));

    /// <summary>Adds to row ids[i] of sum [vocab, width] float32 the rows of from [tokens, width] that order and start name.</summary>
    public void AddEmbedding(
        CudaStream stream, nint from, nint order, nint start, nint ids, nint sum, int distinct, int width) =>
        _addEmbedding.Launch((distinct, 1), Threads, 0, stream, Arguments(from, order, start, ids, sum).And(width));

    /// <summary>sum [width] float32 += the column sums of [rows, width].</summary>
    public void AddBiasGradient(CudaStream stream, nint gradient, nint sum, int rows, int width) =>
        _addBiasGradient.Launch(((width + 31) / 32, 1), Threads, 0, stream, Arguments(gradient, sum).And(rows, width));

    /// <summary>
    /// Merges attention over a shared prompt into that over own tokens: results [tokens, heads, head_dim] and their
    /// log-sum-exp [heads, tokens] float32, +inf where a token shares nothing.
    /// </summary>
    public void MergeShared(CudaStream stream, nint own, nint ownSum, nint shared, nint sharedSum, int tokens) =>
        _mergeShared.Launch(
            (tokens, (_shape.QueryHeads + 3) / 4), 128, 0, stream, Arguments(own, ownSum, shared, sharedSum).And(tokens));

    public void Dispose() => _modules.ForEach(module => module.Dispose());

    private void AddColumnSums(CudaStream stream, nint partials, nint sum, int rows, int width) =>
        _addColumnSums.Launch(((width + 31) / 32, 1), Threads, 0, stream, Arguments(partials, sum).And(rows, width));

    private static KernelArguments Arguments(params ReadOnlySpan<nint> addresses)
    {
        var arguments = default(KernelArguments);
        foreach (var address in addresses)
            arguments.Add(address);
        return arguments;
    }
}
