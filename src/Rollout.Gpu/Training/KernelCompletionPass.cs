using Rollout.Gpu.Interop;
using Rollout.Gpu.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// Log-probabilities of completion tokens and their gradients on a GPU, by kernels over packed sequences. Logits are
/// float32 and exist one chunk of targets at a time. A chunk leaves one-hot − softmax in the model's type, which gives
/// the head's gradients once the loss has told each target's factor: after the chunk, or where the loss needs all
/// log-probabilities at once, after the last one.
/// </summary>
/// <param name="tools">Kernels and products for the model's shape.</param>
/// <param name="model">The weights.</param>
/// <param name="temperature">Divides the logits, as the sampler does.</param>
/// <param name="gradients">The float32 sum that a parameter's gradient is added to.</param>
/// <param name="hits">Notes the targets whenever their logits are computed; null notes none.</param>
internal sealed class KernelCompletionPass(
    TrainingTools tools, CausalLm model, double temperature, Func<Tensor, Tensor> gradients, GreedyHits? hits = null)
    : ICompletionPass
{
    private readonly HeadChunks _chunks = new(model.Config.VocabSize);

    public Device Device => model.Device;

    /// <inheritdoc/>
    public IReadOnlyList<MicroBatch> Pack(IReadOnlyList<TokenSequence> sequences, int tokens) =>
        MicroBatcher.PackGroups(sequences, tokens);

    /// <inheritdoc/>
    public void Enter(TrainingPart part) => tools.Clock?.Enter(part);

    /// <inheritdoc/>
    public Tensor Logprobs(MicroBatchInput input)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        using var memory = new Memory(tools, model, input);
        var hidden = memory.Sources(memory.Forward(gradients: null));
        var logprobs = empty(memory.Input.TargetCount, ScalarType.Float32, model.Device);
        ComputeHead(memory, hidden, 0, logprobs, LogitsMemory(memory), slopes: 0);
        return logprobs.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Backward(MicroBatchInput input, bool atOnce, LossGradient lossGradient)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        using var memory = new Memory(tools, model, input);
        var (targets, width, head) = (memory.Input.TargetCount, model.Config.HiddenSize, model.LogitProjection);
        var result = memory.Forward(gradients);
        var hidden = memory.Sources(result); // [targets, hidden]
        var states = memory.Arena.Reserve((long)targets * width * sizeof(float)); // dLoss/dhidden over the factor
        var rowsAtOnce = atOnce ? targets : _chunks.EqualParts(targets);
        var logits = LogitsMemory(memory);
        var slopes = memory.Arena.Reserve((long)rowsAtOnce * model.Config.VocabSize * tools.ElementBytes);
        var factors = new List<Tensor>(); // [rows] float32 of each chunk: dLoss/dlogprob over the temperature
        using var divisor = temperature.ToScalar();
        for (var start = 0; start < targets; start += rowsAtOnce)
        {
            var logprobs = empty(Math.Min(rowsAtOnce, targets - start), ScalarType.Float32, model.Device);
            var rows = (int)logprobs.size(0);
            ComputeHead(memory, hidden, start, logprobs, logits, slopes);
            factors.Add(lossGradient(logprobs, start).to_type(ScalarType.Float32).div(divisor).contiguous());
            tools.Clock?.Enter(TrainingPart.Head);
            var part = StatesOf(hidden, start);
            tools.Products.InputGradient(slopes, head, states + (start * (nint)width * sizeof(float)), rows, wide: true);
            tools.Kernels.ScaleRows(CudaStream.OfTorch, part, TorchTensors.Pointer(factors[^1]), rows, width);
            tools.Products.AddWeightGradient(part, slopes, head, TorchTensors.Pointer(gradients(head.Weight)), rows);
        }

        memory.Arena.Free(logits);
        memory.Arena.Free(slopes);
        var pass = memory.Pass!;
        var gradient = pass.TakeBuffer();
        tools.Kernels.ScatterRows(
            CudaStream.OfTorch, states, TorchTensors.Pointer(cat(factors)), memory.Input.SourceOrder,
            memory.Input.SourceStart, gradient, memory.Input.TokenCount, width);
        memory.Arena.Free(hidden);
        memory.Arena.Free(states);
        pass.Backward(result, gradient);
    }

    private nint LogitsMemory(Memory memory) => memory.Arena.Reserve(
        (long)Math.Min(_chunks.LogitRows, memory.Input.TargetCount) * model.Config.VocabSize * sizeof(float));

    private nint StatesOf(nint hidden, int start) =>
        hidden + (start * (nint)model.Config.HiddenSize * tools.ElementBytes);

    /// <summary>
    /// Writes the log-probabilities [rows] of the targets from <paramref name="start"/> on, and one-hot − softmax
    /// [rows, vocab], unless its address is 0.
    /// </summary>
    private void ComputeHead(Memory memory, nint hidden, int start, Tensor logprobs, nint logits, nint slopes)
    {
        tools.Clock?.Enter(TrainingPart.Head);
        var (all, vocabulary) = ((int)logprobs.size(0), model.Config.VocabSize);
        for (var first = 0; first < all; first += _chunks.LogitRows)
        {
            var rows = Math.Min(_chunks.LogitRows, all - first);
            tools.Products.Forward(StatesOf(hidden, start + first), model.LogitProjection, logits, rows, wide: true);
            hits?.Add(
                TorchTensors.At(logits, [rows, vocabulary], ScalarType.Float32, model.Device),
                memory.Targets.narrow(0, start + first, rows));
            tools.Kernels.CrossEntropy(
                CudaStream.OfTorch, logits, memory.Input.Targets + ((start + first) * sizeof(int)),
                TorchTensors.Pointer(logprobs) + (first * sizeof(float)),
                slopes == 0 ? 0 : slopes + (first * (nint)vocabulary * tools.ElementBytes), rows, vocabulary, temperature);
        }
    }

    /// <summary>The sequences and the memory of one micro-batch.</summary>
    private sealed class Memory : IDisposable
    {
        private readonly TrainingTools _tools;
        private readonly CausalLm _model;

        public Memory(TrainingTools tools, CausalLm model, MicroBatchInput input)
        {
            (_tools, _model) = (tools, model);
            tools.MakeCurrent();
            (Input, Targets) = (new PackedInput(input.Sequences, model.Device), input.Targets);
            Arena = new TrainingArena(model.Device);
        }

        public PackedInput Input { get; }

        /// <summary>[targets] int64.</summary>
        public Tensor Targets { get; }

        public TrainingArena Arena { get; }

        public TrainingPass? Pass { get; private set; }

        /// <summary>[tokens, hidden] after the final norm.</summary>
        public TrainingValue Forward(Func<Tensor, Tensor>? gradients)
        {
            Pass = new TrainingPass(_tools, _model, Input, Arena, gradients);
            return _model.Stack.Forward(Pass);
        }

        /// <summary>[targets, hidden] the states that predict targets, as a copy.</summary>
        public nint Sources(TrainingValue hidden)
        {
            var width = _model.Config.HiddenSize;
            var states = Arena.Reserve((long)Input.TargetCount * width * _tools.ElementBytes);
            _tools.Kernels.Gather.Launch(
                CudaStream.OfTorch, hidden.Pointer, Input.Sources, states, Input.TargetCount, width);
            Pass!.Release(hidden);
            Pass.Trim();
            return states;
        }

        public void Dispose()
        {
            Arena.Dispose();
            Input.Dispose();
        }
    }
}
