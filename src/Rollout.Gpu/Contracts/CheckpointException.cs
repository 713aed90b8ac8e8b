namespace Rollout.Gpu.Contracts;

/// <summary>
/// A model folder that can't be used. The message is one sentence that names the file and the tensor or key.
/// </summary>
public sealed class CheckpointException : Exception
{
    public CheckpointException(string message)
        : base(message)
    {
    }

    public CheckpointException(string message, Exception cause)
        : base(message, cause)
    {
    }
}
