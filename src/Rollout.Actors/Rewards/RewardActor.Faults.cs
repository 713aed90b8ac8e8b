using Akka.Actor;
using Rollout.Actors.Protocol;

namespace Rollout.Actors.Rewards;

// What becomes of calls that fail or are late. A late one is told to give up; .NET can't end one that does not, so the run
// ends when too many of them keep computing.
public sealed partial class RewardActor
{
    /// <summary>The time that a reward function has to give up before it counts as stuck.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    private readonly HashSet<RewardTry> _stuck = [];

    private void TryAgain(RewardCall call)
    {
        call.Queue.AddFirst(call);
        StartReady();
    }

    /// <summary>Fails a call's group. A call for several is cut up first, as one of them may be at fault.</summary>
    private void Fail(RewardCall call, string reason)
    {
        if (call.OpenGroups is { Length: > 1 } groups)
        {
            foreach (var group in groups)
                call.Queue.AddFirst(call.For(group));
            return;
        }
        foreach (var group in call.OpenGroups)
            group.Fail(reason);
        foreach (var moot in _underWay.Where(running => running.Call.IsMoot).ToArray())
            GiveUp(moot);
    }

    private void StartDeadline(RewardTry begun)
    {
        if (_underWay.Contains(begun))
            Timers.StartSingleTimer(begun, new Overdue(begun), _limits.Timeout);
    }

    private void GiveUpLate(RewardTry late)
    {
        if (!_underWay.Contains(late))
            return;
        GiveUp(late);
        Fail(late.Call, $"reward {late.Call.Queue.Reward.Name} took longer than train.reward-timeout, {_limits.Timeout}");
        StartReady();
    }

    /// <summary>Tells a function to end. It makes room for others at once, and has a grace period to end in.</summary>
    private void GiveUp(RewardTry running)
    {
        _underWay.Remove(running);
        running.Call.Queue.Release();
        // Its callbacks are the reward function's, and may take as long as they like.
        _ = running.Stop.CancelAsync();
        Timers.StartSingleTimer(running, new GraceOver(running), Grace);
    }

    private void CountStuck(RewardTry late)
    {
        _stuck.Add(late);
        if (_stuck.Count > _limits.MaxStuck)
        {
            late.Call.First.Asker.Tell(new AbandonTraining(
                $"{_stuck.Count} reward computations did not end {Grace.TotalSeconds} s after they were told to, more"
                + $" than train.max-stuck-rewards = {_limits.MaxStuck}; the last one is reward {late.Call.Queue.Reward.Name}"
                + $" for {late.Call.First.Asked.Item.Id}. A reward function must end when its cancellation token asks it to"));
        }
    }

    private sealed record Overdue(RewardTry Try) : INoSerializationVerificationNeeded;

    private sealed record GraceOver(RewardTry Try) : INoSerializationVerificationNeeded;

    private sealed record PauseOver(RewardCall Call) : INoSerializationVerificationNeeded;
}
