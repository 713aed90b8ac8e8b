using Rollout.Gpu.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// Computes the log-probabilities of completion tokens and their gradients. The [targets, vocab] logits never exist
/// as a whole: the head runs forward and backward over one chunk of rows after another, and the gradients of the
/// hidden states are collected for one backward pass through the layers. Only a loss that needs all log-probabilities at
/// once makes the head compute its logits twice, where they are more than one chunk. At its peak a chunk holds its logits
/// in the model's type, twice in float32, and once as gradient, each of at most <see cref="LogitElementsOnCpu"/> or <see
/// cref="LogitElementsOnGpu"/> elements.
/// </summary>
/// <param name="model">The policy.</param>
/// <param name="temperature">Divides the logits, as the sampler does.</param>
/// <param name="logitElements">Elements of one chunk of logits at most; a chunk has at least one row.</param>
/// <param name="hits">Notes the targets whenever their logits are computed; null notes none.</param>
internal sealed class CompletionPass(CausalLm model, double temperature, long logitElements, GreedyHits? hits = null)
    : ICompletionPass
{
    /// <summary>16 MiB in float32: stays near the cache.</summary>
    public const long LogitElementsOnCpu = 1L << 22;

    /// <summary>
    /// 512 MiB in float32: rows enough to keep the matrix units busy at any vocabulary in use.
    /// </summary>
    public const long LogitElementsOnGpu = 1L << 27;

    private readonly int _rowsAtOnce =
        (int)Math.Clamp(logitElements / model.Config.VocabSize, 1, int.MaxValue);

    public Device Device => model.Device;

    public static long DefaultLogitElements(Device device) =>
        device.type == DeviceType.CPU ? LogitElementsOnCpu : LogitElementsOnGpu;

    /// <inheritdoc/>
    public void Begin(int steps) => model.Adapter?.Dropout.Begin(steps);

    /// <inheritdoc/>
    public Tensor Logprobs(MicroBatchInput input)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        return Logprobs(SourceStates(input), input).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Backward(MicroBatchInput input, bool atOnce, LossGradient lossGradient)
    {
        using var withGradient = enable_grad();
        using var scope = NewDisposeScope();
        using var dropping = model.Adapter?.Dropout.Pass();
        var hidden = SourceStates(input); // [targets, hidden]
        if (atOnce && input.TargetCount > _rowsAtOnce)
        {
            var slopes = WholeGradient(hidden, input, lossGradient);
            lossGradient = (logprobs, start) => slopes.narrow(0, start, logprobs.size(0));
        }

        var collected = empty_like(hidden.detach()); // [targets, hidden] dLoss/dhidden
        for (var start = 0; start < input.TargetCount; start += _rowsAtOnce)
        {
            using var piece = NewDisposeScope();
            var rows = Math.Min(_rowsAtOnce, input.TargetCount - start);
            var states = hidden.detach().narrow(0, start, rows).requires_grad_(); // [rows, hidden]
            var logits = model.Logits(states); // [rows, vocab]
            var targets = input.Targets.narrow(0, start, rows).unsqueeze(1); // [rows, 1]
            logits.backward([LogitsGradient(logits, targets, start, lossGradient)]);
            using var noGradient = no_grad();
            collected.narrow(0, start, rows).copy_(states.grad!);
        }

        if (hidden.requires_grad) // not where only the head has an adapter
            hidden.backward([collected]);
    }

    /// <summary>[targets] the gradient of a loss that needs all log-probabilities.</summary>
    private Tensor WholeGradient(Tensor hidden, MicroBatchInput input, LossGradient lossGradient)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        return lossGradient(Logprobs(hidden.detach(), input), 0).MoveToOuterDisposeScope();
    }

    /// <summary>[targets, hidden] → [targets] float32, without gradients.</summary>
    private Tensor Logprobs(Tensor hidden, MicroBatchInput input)
    {
        var pieces = new List<Tensor>();
        for (var start = 0; start < input.TargetCount; start += _rowsAtOnce)
        {
            using var piece = NewDisposeScope();
            var rows = Math.Min(_rowsAtOnce, input.TargetCount - start);
            var scaled = Scaled(model.Logits(hidden.narrow(0, start, rows))); // [rows, vocab]
            var targets = input.Targets.narrow(0, start, rows).unsqueeze(1); // [rows, 1]
            hits?.Add(scaled, targets.squeeze(1));
            pieces.Add(
                (scaled.gather(1, targets).squeeze(1) - scaled.logsumexp(-1)).MoveToOuterDisposeScope());
        }

        return cat(pieces);
    }

    /// <summary>
    /// dLoss/dlogits [rows, vocab] = dLoss/dlogprob · (one-hot(target) − softmax) / temperature.
    /// </summary>
    private Tensor LogitsGradient(Tensor logits, Tensor targets, int start, LossGradient lossGradient)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var scaled = Scaled(logits.detach()); // [rows, vocab]
        hits?.Add(scaled, targets.squeeze(1));
        var normalizer = scaled.logsumexp(-1, keepdim: true); // [rows, 1]
        var logprobs = (scaled.gather(1, targets) - normalizer).squeeze(1); // [rows]
        using var divisor = temperature.ToScalar();
        var slope = lossGradient(logprobs, start).div(divisor).unsqueeze(1); // [rows, 1]
        scaled.sub_(normalizer).exp_().mul_(-slope).scatter_add_(1, targets, slope);
        return scaled.to_type(logits.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// float32 logits divided by the temperature, in place where they are float32 already. A head that needs its
    /// output for its gradient would fail autograd's version check.
    /// </summary>
    private Tensor Scaled(Tensor logits)
    {
        using var divisor = temperature.ToScalar();
        var wide = logits.to_type(ScalarType.Float32);
        return temperature == 1 ? wide : wide.div_(divisor);
    }

    private Tensor SourceStates(MicroBatchInput input)
    {
        var attention = new SdpaAttention(input.RowCount, input.Width);
        return model.Hidden(input.Tokens, input.Positions, attention).index_select(0, input.Sources);
    }
}
