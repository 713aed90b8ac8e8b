namespace Rollout.Actors.Rewards;

/// <summary>One call of a reward function, with the samples that it scores. Compared by reference.</summary>
internal sealed class RewardCall
{
    private readonly (GroupScoring Group, int Sample)[] _parts;

    /// <param name="queue">The queue of the function.</param>
    /// <param name="parts">At least one sample.</param>
    public RewardCall(RewardQueue queue, IEnumerable<(GroupScoring Group, int Sample)> parts) =>
        (Queue, _parts) = (queue, [.. parts]);

    public RewardQueue Queue { get; }

    /// <summary>Times that it was started.</summary>
    public int Tries { get; private set; }

    public ScoredSample[] Samples => [.. _parts.Select(part => part.Group.Samples[part.Sample])];

    /// <summary>The groups that still wait for its rewards.</summary>
    public GroupScoring[] OpenGroups => [.. _parts.Select(part => part.Group).Distinct().Where(group => !group.IsOver)];

    /// <summary>Who asked for it.</summary>
    public GroupScoring First => _parts[0].Group;

    /// <summary>The caller no longer waits for its rewards.</summary>
    public bool IsMoot => Array.TrueForAll(_parts, part => part.Group.IsOver);

    /// <summary>Begins a try.</summary>
    public RewardTry Begin()
    {
        Tries++;
        return new RewardTry(this, new CancellationTokenSource());
    }

    /// <summary>Hands the rewards to the groups.</summary>
    /// <exception cref="InvalidOperationException">They are too few or too many, or one is not finite.</exception>
    public void Deliver(IReadOnlyList<double?> rewards)
    {
        if (rewards.Count != _parts.Length)
            throw new InvalidOperationException($"it gave {rewards.Count} rewards for {_parts.Length} samples");
        foreach (var ((group, sample), reward) in _parts.Zip(rewards))
        {
            if (reward is { } value && !double.IsFinite(value))
            {
                throw new InvalidOperationException(
                    $"it gave {value} for sample {sample} of prompt {group.Asked.Item.Id}, expected a finite number or none");
            }
        }
        foreach (var ((group, sample), reward) in _parts.Zip(rewards))
            group.Add(Queue.Function, sample, reward);
    }

    /// <summary>The part of it that scores one of its groups.</summary>
    public RewardCall For(GroupScoring group) => new(Queue, _parts.Where(part => part.Group == group));
}

/// <summary>One try of a call. Compared by reference.</summary>
/// <param name="call">What is tried.</param>
/// <param name="stop">Tells the function to give up.</param>
internal sealed class RewardTry(RewardCall call, CancellationTokenSource stop)
{
    public RewardCall Call => call;

    public CancellationTokenSource Stop => stop;
}
