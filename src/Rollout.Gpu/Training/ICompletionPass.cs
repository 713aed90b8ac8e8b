using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>Computes log-probabilities of completion tokens, and adds gradients of the loss to those of the weights.</summary>
internal interface ICompletionPass
{
    Device Device { get; }

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
