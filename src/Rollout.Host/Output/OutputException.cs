namespace Rollout.Host.Output;

/// <summary>A run's output cannot be written where it was asked for; the message is one sentence.</summary>
public sealed class OutputException : IOException
{
    public OutputException(string message)
        : base(message)
    {
    }

    public OutputException(string message, Exception cause)
        : base(message, cause)
    {
    }
}
