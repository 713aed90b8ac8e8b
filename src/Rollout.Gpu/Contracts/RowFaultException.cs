namespace Rollout.Gpu.Contracts;

/// <summary>
/// Thrown by <see cref="IModelRunner.Start"/> when rows of a batch can't be computed, because they hold token ids outside
/// of the vocabulary. Nothing of the step was started; the batch's other rows are sound.
/// </summary>
public sealed class RowFaultException : Exception
{
    public RowFaultException(IReadOnlyList<int> rows, string message)
        : base(message) => Rows = rows;

    /// <summary>The rows at fault, ascending; at least one.</summary>
    public IReadOnlyList<int> Rows { get; }
}
