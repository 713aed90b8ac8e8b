using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

/// <summary>
/// The numbered commands to one incarnation of a decoder. Each is kept, and sent again, until the decoder says that it has
/// carried it out. By the number, the decoder recognizes a command that comes twice.
/// </summary>
/// <param name="epoch">The scheduler's epoch.</param>
/// <param name="wanted">Called when there is a command to send.</param>
public sealed class CommandStream(SchedulerEpoch epoch, Action wanted)
{
    /// <summary>How long a command may go without an answer before it is sent again.</summary>
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(2);

    private const int ForgetAtOnce = 64;

    private readonly Queue<(SchedulerCommand Command, TimeSpan SentAt)> _unanswered = [];       // oldest first
    private readonly List<SchedulerCommand> _unsent = [];
    private readonly List<GroupId> _forgotten = [];
    private long _numbers;

    /// <summary>The number of the last command.</summary>
    public long Last => _numbers;

    /// <summary>The number of the last command that was carried out.</summary>
    public long Taken { get; private set; }

    /// <summary>Has the decoder work on samples of a group, under the required weights alone where some are.</summary>
    public void Assign(AssignmentId assignment, GroupRequest group, SampleStart[] samples, Policy? required = null)
    {
        EnqueueForgotten();
        Enqueue(new AssignSamples(epoch, ++_numbers, assignment, group, samples, required));
    }

    /// <summary>Has the decoder give samples back.</summary>
    public void Recall(GroupId id, int[] samples, bool runningToo)
    {
        EnqueueForgotten();
        Enqueue(new RecallSamples(epoch, ++_numbers, id, samples, runningToo));
    }

    /// <summary>Notes a group for the decoder to forget. It is told of many groups at once, or before the next command.</summary>
    public void Forget(GroupId id)
    {
        _forgotten.Add(id);
        if (_forgotten.Count == ForgetAtOnce)
            EnqueueForgotten();
    }

    /// <summary>Enqueues one command to forget the groups noted since the last such command.</summary>
    public void EnqueueForgotten()
    {
        if (_forgotten.Count == 0)
            return;
        Enqueue(new ForgetGroups(epoch, ++_numbers, [.. _forgotten]));
        _forgotten.Clear();
    }

    /// <summary>Notes that the decoder has carried out all commands up to this number.</summary>
    public void Acknowledge(long taken)
    {
        Taken = Math.Max(Taken, Math.Min(taken, _numbers));
        while (_unanswered.TryPeek(out var first) && first.Command.Number <= Taken)
            _unanswered.Dequeue();
    }

    /// <summary>The commands to send now: those without an answer for too long, and then the new ones.</summary>
    public IReadOnlyList<SchedulerCommand> TakeSendable(TimeSpan now)
    {
        // The decoder takes commands in order only: those after a lost one are sent again too.
        var isLate = _unanswered.TryPeek(out var oldest) && now - oldest.SentAt > AnswerTime;
        if (!isLate && _unsent.Count == 0)
            return [];
        SchedulerCommand[] sendable = isLate ? [.. _unanswered.Select(sent => sent.Command), .. _unsent] : [.. _unsent];
        if (isLate)
            _unanswered.Clear();
        _unsent.Clear();
        foreach (var command in sendable)
            _unanswered.Enqueue((command, now));
        return sendable;
    }

    private void Enqueue(SchedulerCommand command)
    {
        _unsent.Add(command);
        wanted();
    }
}
