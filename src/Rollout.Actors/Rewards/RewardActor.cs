using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Actors.Text;

namespace Rollout.Actors.Rewards;

/// <summary>
/// Scores finished groups on the thread pool, many samples at a time, so the actor keeps receiving. A reward function
/// that throws or is late fails its group, as does a completion that can't be decoded: no sample is scored 0 for want of an
/// answer. RewardActor.Faults.cs has what becomes of calls that fail or are late.
/// </summary>
public sealed partial class RewardActor : ReceiveActor, IWithTimers
{
    private readonly ITokenizer _tokenizer;
    private readonly RewardSet _rewards;
    private readonly RewardLimits _limits;
    private readonly RewardQueue[] _queues;
    private readonly HashSet<RewardTry> _underWay = [];

    public RewardActor(ITokenizer tokenizer, RewardSet rewards, RewardLimits limits)
    {
        _tokenizer = tokenizer;
        _rewards = rewards;
        _limits = limits;
        _queues = [.. rewards.Functions.Select((reward, i) => new RewardQueue(reward, i, limits.Concurrency))];
        Receive<ScoreGroup>(Enqueue);
        Receive<BatchWaited>(waited => CloseBatch(waited.Queue));
        Receive<Began>(began => StartDeadline(began.Try));
        Receive<Ended>(Finish);
        Receive<Overdue>(late => GiveUpLate(late.Try));
        Receive<PauseOver>(pause => TryAgain(pause.Call));
        Receive<GraceOver>(over => CountStuck(over.Try));
    }

    public static Props Props(ITokenizer tokenizer, RewardSet rewards, RewardLimits limits) =>
        Akka.Actor.Props.Create(() => new RewardActor(tokenizer, rewards, limits));

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PostStop()
    {
        foreach (var running in _underWay)
            _ = running.Stop.CancelAsync();
    }

    private void Enqueue(ScoreGroup asked)
    {
        var samples = new List<ScoredSample>();
        foreach (var done in asked.Group.Completions)
        {
            try
            {
                samples.Add(new ScoredSample(
                    asked.Item, _tokenizer.Decode(done.Tokens), done.Tokens, done.Reason, asked.MaxTokens));
            }
            catch (Exception cause)
            {
                Sender.Tell(new ScoringFailed(asked.Group.Id, $"sample {done.Sample} can't be decoded: {cause.Message}"));
                return;
            }
        }
        var group = new GroupScoring(asked, Sender, [.. samples], _rewards);
        foreach (var queue in _queues)
        {
            queue.Add(group);
            if (queue is { IsGathering: true, Reward.Function: IBatchReward batches } && !Timers.IsTimerActive(queue))
                Timers.StartSingleTimer(queue, new BatchWaited(queue), batches.Limits.Wait);
        }
        StartReady();
    }

    private void CloseBatch(RewardQueue queue)
    {
        queue.CloseBatch();
        StartReady();
    }

    private void StartReady()
    {
        foreach (var begun in _queues.SelectMany(queue => queue.TakeReady()))
        {
            var (self, queue, samples) = (Self, begun.Call.Queue, begun.Call.Samples);
            _underWay.Add(begun);
            Task.Run(() =>
            {
                self.Tell(new Began(begun));
                return queue.ScoreAsync(samples, begun.Stop.Token);
            }).PipeTo(
                self,
                success: rewards => new Ended(begun, rewards, null),
                failure: cause => new Ended(begun, [], cause));
        }
    }

    private void Finish(Ended ended)
    {
        Timers.Cancel(ended.Try);
        _stuck.Remove(ended.Try);
        if (!_underWay.Remove(ended.Try))
            return;
        var call = ended.Try.Call;
        call.Queue.Release();
        if (ended.Cause is RetryableRewardException passing && call.Tries < _limits.Tries)
            Timers.StartSingleTimer(call, new PauseOver(call), _limits.PauseAfter(call.Tries, passing.After));
        else if ((ended.Cause ?? Delivered(call, ended.Rewards)) is { } cause)
            Fail(call, $"reward {call.Queue.Reward.Name} failed: {cause.Message}");
        StartReady();
    }

    private static InvalidOperationException? Delivered(RewardCall call, IReadOnlyList<double?> rewards)
    {
        try
        {
            call.Deliver(rewards);
            return null;
        }
        catch (InvalidOperationException wrong)
        {
            return wrong;
        }
    }

    private sealed record BatchWaited(RewardQueue Queue) : INoSerializationVerificationNeeded;

    private sealed record Began(RewardTry Try) : INoSerializationVerificationNeeded;

    private sealed record Ended(RewardTry Try, IReadOnlyList<double?> Rewards, Exception? Cause)
        : INoSerializationVerificationNeeded;
}
