using Rollout.Gpu.Interop;
using Rollout.Gpu.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// Log-probabilities of completion tokens and their gradients on a GPU, by kernels over packed sequences. Logits are
/// float32 and exist one chunk of targets at a time. A chunk leaves one-hot − softmax in the model's type, which gives
/// the head's gradients once the loss has told each target's factor. Nothing is computed twice.
/// </summary>
/// <param name="tools">Kernels and products for the model's shape.</param>
/// <param name="model">The weights.</param>
/// <param name="temperature">Divides the logits, as the sampler does.</param>
/// <param name="gradients">The float32 sum that a parameter's gradient is added to; null where none is computed.</param>
internal sealed class KernelCompletionPass(
    TrainingTools tools, CausalLm model, double temperature, Func<Tensor, Tensor>? gradients) : ICompletionPass
{
    // 512 MiB of float32 logits: rows enough to keep the matrix units busy.
    private const long LogitElements = 1L << 27;

    // Whole multiples, so that the states of every chunk are aligned as the products want.
    private const int RowMultiple = 128;

    private readonly int _rowsAtOnce =
        (int)Math.Clamp(LogitElements / model.Config.VocabSize / RowMultiple, 1, int.MaxValue / RowMultiple) * RowMultiple;

    public Device Device => model.Device;

    /// <inheritdoc/>
    public Tensor Logprobs(MicroBatchInput input)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        using var memory = new Memory(tools, model, input);
        var hidden = memory.Sources(memory.Forward(gradients: null));
        return Logprobs(memory, hidden, keeps: false).Logprobs.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Backward(MicroBatchInput input, bool atOnce, LossGradient lossGradient)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        using var memory = new Memory(tools, model, input);
        var sums = gradients ?? throw new InvalidOperationException("This pass computes no gradients.");
        var result = memory.Forward(sums);
        var hidden = memory.Sources(result);
        var (logprobs, slopes) = Logprobs(memory, hidden, keeps: true);
        using var divisor = temperature.ToScalar();
        var factors = lossGradient(logprobs, 0).to_type(ScalarType.Float32).div(divisor).contiguous(); // [targets]

        tools.Clock?.Enter(TrainingPart.Head);
        var (targets, width) = (memory.Input.TargetCount, model.Config.HiddenSize);
        var (head, pass) = (model.LogitProjection, memory.Pass!);
        var states = memory.Arena.Reserve((long)targets * width * sizeof(float)); // dLoss/dhidden over the factor
        tools.Products.InputGradient(slopes, head, states, targets, wide: true);
        tools.Kernels.ScaleRows(CudaStream.OfTorch, hidden, TorchTensors.Pointer(factors), targets, width);
        tools.Products.AddWeightGradient(hidden, slopes, head, TorchTensors.Pointer(sums(head.Weight)), targets);
        var gradient = pass.TakeBuffer();
        tools.Kernels.ScatterRows(
            CudaStream.OfTorch, states, TorchTensors.Pointer(factors), memory.Input.SourceOrder, memory.Input.SourceStart,
            gradient, memory.Input.TokenCount, width);
        pass.Backward(result, gradient);
    }

    /// <summary>
    /// [targets] float32 log-probabilities of hidden states [targets, hidden], and if it keeps them, one-hot − softmax
    /// [targets, vocab].
    /// </summary>
    private (Tensor Logprobs, nint Slopes) Logprobs(Memory memory, nint hidden, bool keeps)
    {
        tools.Clock?.Enter(TrainingPart.Head);
        var (targets, vocabulary) = (memory.Input.TargetCount, model.Config.VocabSize);
        var atOnce = Math.Min(_rowsAtOnce, targets);
        var logprobs = empty(targets, ScalarType.Float32, model.Device);
        var logits = memory.Arena.Reserve((long)atOnce * vocabulary * sizeof(float));
        var rowBytes = (nint)vocabulary * tools.ElementBytes;
        var slopes = keeps ? memory.Arena.Reserve((long)targets * rowBytes) : 0;
        for (var start = 0; start < targets; start += atOnce)
        {
            var rows = Math.Min(atOnce, targets - start);
            var states = hidden + (start * (nint)model.Config.HiddenSize * tools.ElementBytes);
            tools.Products.Forward(states, model.LogitProjection, logits, rows, wide: true);
            tools.Kernels.CrossEntropy(
                CudaStream.OfTorch, logits, memory.Input.Targets + (start * sizeof(int)),
                TorchTensors.Pointer(logprobs) + (start * sizeof(float)), keeps ? slopes + (start * rowBytes) : 0, rows,
                vocabulary, temperature);
        }

        return (logprobs, slopes);
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
            Input = new PackedInput(input.Sequences, model.Device);
            Arena = new TrainingArena(model.Device);
        }

        public PackedInput Input { get; }

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
            _tools.Kernels.Gather.Launch(CudaStream.OfTorch, hidden.Pointer, Input.Sources, states, Input.TargetCount, width);
            return states;
        }

        public void Dispose()
        {
            Arena.Dispose();
            Input.Dispose();
        }
    }
}
