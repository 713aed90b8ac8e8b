namespace Rollout.Gpu.Contracts;

/// <summary>Weights that could not be fetched. The message is one sentence that names the address and what was expected.</summary>
public sealed class WeightTransferException : Exception
{
    public WeightTransferException(string message)
        : base(message)
    {
    }

    public WeightTransferException(string message, Exception cause)
        : base(message, cause)
    {
    }
}
