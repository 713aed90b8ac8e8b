namespace Rollout.Actors.Tests.Support;

/// <summary>Holds a model's thread in the middle of a step until the test has said what it wants to say meanwhile.</summary>
public sealed class StepGate : IDisposable
{
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ManualResetEventSlim _opened = new();

    /// <param name="runner">Whose step is held.</param>
    /// <param name="closedAt">The step's number, from 1.</param>
    public StepGate(FakeModelRunner runner, int closedAt) => runner.BeforeStep = (step, _) =>
    {
        if (step != closedAt)
            return;
        _reached.SetResult();
        _opened.Wait();
    };

    /// <summary>The step has begun.</summary>
    public Task ReachedAsync() => _reached.Task.WaitAsync(TimeSpan.FromSeconds(30));

    public void Open() => _opened.Set();

    public void Dispose() => _opened.Set();
}
