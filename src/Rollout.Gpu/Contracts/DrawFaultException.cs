namespace Rollout.Gpu.Contracts;

/// <summary>
/// Thrown by <see cref="IModelRunner.Finish"/> when tokens of a step can't be sampled, because their logits hold NaN or
/// infinity. Only the sequences of these draws are at fault: the device is sound, and the other rows' keys and values
/// were written.
/// </summary>
public sealed class DrawFaultException : Exception
{
    public DrawFaultException(IReadOnlyList<int> draws)
        : this(draws, $"The logits of draw {string.Join(", ", draws)} hold NaN or infinity; expected finite numbers.")
    {
    }

    public DrawFaultException(IReadOnlyList<int> draws, string message)
        : base(message) => Draws = draws;

    /// <summary>The draws at fault, as indices into <see cref="ForwardBatch.Draws"/>, ascending; at least one.</summary>
    public IReadOnlyList<int> Draws { get; }
}
