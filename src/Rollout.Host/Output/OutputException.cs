namespace Rollout.Host.Output;

/// <summary>
/// Thrown where a run's folder or file can't be used as the command asks; the message is one sentence.
/// </summary>
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
