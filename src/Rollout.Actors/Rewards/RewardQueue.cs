namespace Rollout.Actors.Rewards;

/// <summary>
/// The calls of one reward function that wait and that run. Groups are cut into calls by what the function scores:
/// samples, groups or batches.
/// </summary>
/// <param name="reward">The function.</param>
/// <param name="function">Its place in the run's reward functions.</param>
/// <param name="concurrency">The most calls at once.</param>
internal sealed class RewardQueue(NamedReward reward, int function, int concurrency)
{
    private readonly LinkedList<RewardCall> _waiting = [];
    private readonly List<(GroupScoring Group, int Sample)> _gathered = [];
    private readonly int _concurrency = reward.Function is IBatchReward { Limits.AtOnce: var atOnce }
        ? Math.Min(atOnce, concurrency)
        : concurrency;
    private int _running;

    public NamedReward Reward => reward;

    public int Function => function;

    /// <summary>Samples wait for their batch to fill.</summary>
    public bool IsGathering => _gathered.Count > 0;

    /// <summary>Adds all samples of a group.</summary>
    public void Add(GroupScoring group)
    {
        var parts = group.Samples.Select((_, sample) => (group, sample)).ToArray();
        switch (reward.Function)
        {
            case IBatchReward batches:
                _gathered.AddRange(parts);
                while (_gathered.Count >= batches.Limits.Samples)
                    CutBatch(batches.Limits.Samples);
                break;
            case IGroupReward:
                _waiting.AddLast(new RewardCall(this, parts));
                break;
            default:
                foreach (var part in parts)
                    _waiting.AddLast(new RewardCall(this, [part]));
                break;
        }
    }

    /// <summary>Puts a call first in line: it has waited already.</summary>
    public void AddFirst(RewardCall call) => _waiting.AddFirst(call);

    /// <summary>The samples that wait for their batch to fill wait no longer.</summary>
    public void CloseBatch()
    {
        if (IsGathering)
            CutBatch(_gathered.Count);
    }

    /// <summary>Takes the calls that may start now. Each runs until <see cref="Release"/>.</summary>
    public IEnumerable<RewardTry> TakeReady()
    {
        while (_running < _concurrency && _waiting.First is { Value: var call })
        {
            _waiting.RemoveFirst();
            if (call.IsMoot)
                continue;
            _running++;
            yield return call.Begin();
        }
    }

    /// <summary>A call has ended or was given up.</summary>
    public void Release() => _running--;

    /// <summary>Calls the function.</summary>
    public async Task<IReadOnlyList<double?>> ScoreAsync(ScoredSample[] samples, CancellationToken cancellation) =>
        reward.Function switch
        {
            IBatchReward batches => await batches.ScoreAsync(samples, cancellation).ConfigureAwait(false),
            IGroupReward groups => await groups.ScoreAsync(samples, cancellation).ConfigureAwait(false),
            IRewardFunction one => [await one.ScoreAsync(samples[0], cancellation).ConfigureAwait(false)],
            var other => throw new InvalidOperationException($"{other.GetType()} scores neither samples nor groups nor batches"),
        };

    private void CutBatch(int count)
    {
        _waiting.AddLast(new RewardCall(this, _gathered.Take(count)));
        _gathered.RemoveRange(0, count);
    }
}
