using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>Computes log-probabilities of completion tokens, and adds gradients of the loss to those of the weights.</summary>
internal interface ICompletionPass
{
    Device Device { get; }

    /// <summary>Divides sequences into micro-batches of at most so many tokens, where more than one fits.</summary>
    IReadOnlyList<MicroBatch> Pack(IReadOnlyList<TokenSequence> sequences, int tokens) =>
        MicroBatcher.Pack([.. sequences.Select(sequence => sequence.InputLength)], tokens);

    /// <summary>Tells the clock of the pass, if it has one, that a part of the training step begins.</summary>
    void Enter(TrainingPart part)
    {
    }

    /// <summary>The next backward pass is the first of an optimizer step, of which so many are done.</summary>
    void Begin(int steps)
    {
    }

    /// <summary>[targets] float32, without gradients.</summary>
    Tensor Logprobs(MicroBatchInput input);

    /// <summary>Forward and backward: adds dLoss/dweights to the weights' gradients.</summary>
    /// <param name="input">The rows.</param>
    /// <param name="atOnce">
    /// True where the loss of a target needs others: <paramref name="lossGradient"/> is called once, for all.
    /// </param>
    /// <param name="lossGradient">Called once for each target, in order.</param>
    void Backward(MicroBatchInput input, bool atOnce, LossGradient lossGradient);
}

/// <summary>
/// Computes dLoss/dlogprob [rows] from the log-probabilities [rows] of the targets from <paramref name="start"/> on.
/// </summary>
internal delegate Tensor LossGradient(Tensor logprobs, int start);
