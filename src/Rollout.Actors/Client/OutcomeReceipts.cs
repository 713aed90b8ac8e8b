using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Client;

/// <summary>
/// The outcomes that <see cref="Submissions"/> has given out: the scheduler keeps each until it hears that the caller has
/// read it.
/// </summary>
internal sealed class OutcomeReceipts
{
    /// <summary>Acknowledgements that make a message at once; fewer wait until they are asked for.</summary>
    private const int AtOnce = 32;

    private readonly HashSet<GroupId> _unread = [];     // their outcomes were given and not read
    private readonly List<GroupId> _read = [];          // the scheduler does not know that they were read
    private bool _isAskedFor;

    /// <summary>Groups whose outcomes were given and not read.</summary>
    public int Unread => _unread.Count;

    /// <summary>The scheduler is to be told now.</summary>
    public bool IsDue => _isAskedFor || _read.Count >= AtOnce;

    /// <summary>Notes that a group's outcome is given to the caller.</summary>
    public void Give(GroupId id) => _unread.Add(id);

    /// <summary>Notes that the caller has read an outcome.</summary>
    public void Acknowledge(GroupId id)
    {
        if (_unread.Remove(id))
            _read.Add(id);
    }

    /// <summary>The scheduler still has the outcome of a group that has ended: tells it again if the caller has read it.</summary>
    public void Repeat(GroupId id)
    {
        if (!_unread.Contains(id))
            _read.Add(id);
    }

    /// <summary>The scheduler is to be told next time, however little there is.</summary>
    public void SendSoon() => _isAskedFor = true;

    /// <summary>What the scheduler is to be told.</summary>
    public OutcomesTaken[] Take()
    {
        OutcomesTaken[] messages = [.. _read.Chunk(Submissions.IdsAtOnce).Select(some => new OutcomesTaken(some))];
        _read.Clear();
        _isAskedFor = false;
        return messages;
    }
}
