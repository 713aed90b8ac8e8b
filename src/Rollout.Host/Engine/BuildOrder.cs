namespace Rollout.Host.Engine;

/// <summary>
/// Makes two threads build one after the other. On a GPU the KV pool takes a share of the free memory, so the trainer must
/// have allocated its optimizer's before.
/// </summary>
internal sealed class BuildOrder
{
    private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Builds the first object. If that fails, the second is built all the same.</summary>
    public T BuildFirst<T>(Func<T> build)
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

    /// <summary>Waits until the first object is built or has failed, then builds the second.</summary>
    public T BuildSecond<T>(Func<T> build)
    {
        _first.Task.Wait();
        return build();
    }
}
