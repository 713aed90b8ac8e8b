namespace Rollout.Host.Engine;

/// <summary>
/// Two things that are built on threads of their own, one after the other. On a GPU, the KV pool takes a share of what is
/// free: the trainer's optimizer has to have its memory by then.
/// </summary>
public sealed class BuildOrder
{
    private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Builds the first, whether or not that succeeds.</summary>
    public T First<T>(Func<T> build)
    {
        try
        {
            return build();
        }
        finally
        {
            _first.TrySetResult();
        }
    }

    /// <summary>Waits until the first has been built or has failed, then builds the second.</summary>
    public T Second<T>(Func<T> build)
    {
        _first.Task.Wait();
        return build();
    }
}
