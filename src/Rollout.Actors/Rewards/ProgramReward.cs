using Rollout.Actors.Rewards.Programs;

namespace Rollout.Actors.Rewards;

/// <summary>
/// Asks a program, one line of <see cref="RewardJson"/> a batch on its standard input and output. A program runs until it
/// fails or is late; the next batch starts another one.
/// </summary>
public sealed class ProgramReward : IBatchReward, IDisposable
{
    private readonly ProgramLauncher _launcher;
    private readonly Lock _lock = new();
    private readonly Stack<ProgramWorker> _idle = [];
    private bool _isDisposed;

    internal ProgramReward(ProgramLauncher launcher, BatchLimits limits) => (_launcher, Limits) = (launcher, limits);

    /// <inheritdoc/>
    public BatchLimits Limits { get; }

    /// <inheritdoc/>
    /// <exception cref="InvalidDataException">The program ended, or its answer can't be read.</exception>
    public async ValueTask<IReadOnlyList<double?>> ScoreAsync(
        IReadOnlyList<ScoredSample> batch, CancellationToken cancellation)
    {
        var worker = TakeIdle() ?? _launcher.Start();
        try
        {
            var rewards = RewardJson.Read(
                await worker.AskAsync(RewardJson.Write(batch), cancellation).ConfigureAwait(false), batch.Count);
            Return(worker);
            return rewards;
        }
        catch
        {
            worker.Dispose();
            throw;
        }
    }

    /// <summary>Ends the programs.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
            while (_idle.TryPop(out var worker))
                worker.Dispose();
        }
    }

    private ProgramWorker? TakeIdle()
    {
        lock (_lock)
            return _idle.TryPop(out var worker) ? worker : null;
    }

    private void Return(ProgramWorker worker)
    {
        lock (_lock)
        {
            if (_isDisposed)
                worker.Dispose();
            else
                _idle.Push(worker);
        }
    }
}
