using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Kernels;

namespace Rollout.Gpu.Execution;

/// <summary>
/// The device memory of a step, except the values of its forward pass: inputs, prepared tokens, partial attention
/// results, logits, and sampled tokens, which the next step may read.
/// </summary>
internal sealed class StepMemory : IDisposable
{
    private readonly DeviceMemory _inputs;
    private readonly DeviceMemory _prepared;
    private readonly DeviceMemory _partials;
    private readonly DeviceMemory _logits;
    private readonly DeviceMemory _outputs;
    private readonly DeviceMemory _frequencies;
    private readonly int _draws;

    /// <param name="config">The model's shape.</param>
    /// <param name="shape">What the kernels are compiled for.</param>
    /// <param name="layouts">The layouts of all possible steps.</param>
    /// <param name="partialBytes">Bytes of partial attention results.</param>
    /// <exception cref="CudaException">The device has too little memory.</exception>
    public StepMemory(ModelConfig config, KernelShape shape, IReadOnlyCollection<StepInputs> layouts, long partialBytes)
    {
        using var owned = new Owned();
        DeviceMemory Allocate(long bytes) => owned.Add(new DeviceMemory(bytes));
        var tokens = layouts.Max(layout => layout.Capacity.Tokens);
        _draws = layouts.Max(layout => layout.Capacity.Draws);
        InputBytes = layouts.Max(layout => layout.Ints) * sizeof(int);
        _inputs = Allocate(InputBytes);
        _prepared = Allocate(PreparedTokens.BytesFor(tokens, shape));
        Prepared = PreparedTokens.At(_prepared.Pointer, tokens);
        _partials = Allocate(partialBytes);
        _logits = Allocate((long)_draws * config.VocabSize * sizeof(float));
        _outputs = Allocate(_draws * (sizeof(int) + (2 * sizeof(float))));
        _frequencies = Allocate(config.HeadDim / 2 * sizeof(float));
        owned.Keep();
    }

    /// <summary>Bytes of the largest step's inputs.</summary>
    public int InputBytes { get; }

    public nint Inputs => _inputs.Pointer;

    public PreparedTokens Prepared { get; }

    /// <summary>One layer's partial attention results. The next layer reuses the memory.</summary>
    public nint Partials => _partials.Pointer;

    /// <summary>[sampled rows, vocab] float32.</summary>
    public nint Logits => _logits.Pointer;

    /// <summary>[draws] int32 tokens.</summary>
    public nint Tokens => _outputs.Pointer;

    /// <summary>[draws] float32 log-probabilities before any filter.</summary>
    public nint Logprobs => _outputs.Pointer + (_draws * sizeof(int));

    /// <summary>[draws] float32 log-probabilities among the kept tokens.</summary>
    public nint SamplingLogprobs => Logprobs + (_draws * sizeof(float));

    /// <summary>[head_dim / 2] float32, radians per position.</summary>
    public nint Frequencies => _frequencies.Pointer;

    public void Dispose()
    {
        foreach (var memory in (DeviceMemory[])[_inputs, _prepared, _partials, _logits, _outputs, _frequencies])
            memory.Dispose();
    }
}
