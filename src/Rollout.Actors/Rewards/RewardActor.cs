using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Actors.Text;

namespace Rollout.Actors.Rewards;

/// <summary>
/// Scores finished groups on the thread pool, many at a time, so the actor keeps receiving. A reward function that throws
/// or is late fails its group: no sample is scored 0 for want of an answer. A late one is told to give up; .NET can't end
/// one that does not, so the run ends when too many of them keep computing.
/// </summary>
public sealed class RewardActor : ReceiveActor, IWithTimers
{
    /// <summary>The time that a reward function has to give up before it counts as stuck.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    private readonly ITokenizer _tokenizer;
    private readonly IRewardFunction _reward;
    private readonly RewardLimits _limits;
    private readonly HashSet<Scoring> _underWay = [];
    private readonly HashSet<Scoring> _stuck = [];

    public RewardActor(ITokenizer tokenizer, IRewardFunction reward, RewardLimits limits)
    {
        _tokenizer = tokenizer;
        _reward = reward;
        _limits = limits;
        Receive<ScoreGroup>(Begin);
        Receive<Ended>(Answer);
        Receive<Overdue>(late => GiveUp(late.Scoring));
        Receive<GraceOver>(over => CountStuck(over.Scoring));
    }

    public static Props Props(ITokenizer tokenizer, IRewardFunction reward, RewardLimits limits) =>
        Akka.Actor.Props.Create(() => new RewardActor(tokenizer, reward, limits));

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PostStop()
    {
        foreach (var scoring in _underWay)
            _ = scoring.Stop.CancelAsync();
    }

    private void Begin(ScoreGroup asked)
    {
        var scoring = new Scoring(asked, Sender, new CancellationTokenSource());
        _underWay.Add(scoring);
        Timers.StartSingleTimer(scoring, new Overdue(scoring), _limits.Timeout);
        var cancellation = scoring.Stop.Token;
        Task.Run(() => ScoreAllAsync(asked, cancellation)).PipeTo(
            Self,
            success: scored => new Ended(scoring, scored),
            failure: cause => new Ended(
                scoring, new ScoringFailed(asked.Group.Id, $"its reward failed: {cause.Message}")));
    }

    private void Answer(Ended ended)
    {
        Timers.Cancel(ended.Scoring);
        _stuck.Remove(ended.Scoring);
        if (_underWay.Remove(ended.Scoring))
            ended.Scoring.Asker.Tell(ended.Answer);
    }

    private void GiveUp(Scoring late)
    {
        if (!_underWay.Remove(late))
            return;
        // Its callbacks are the reward function's, and may take as long as they like.
        _ = late.Stop.CancelAsync();
        late.Asker.Tell(new ScoringFailed(
            late.Asked.Group.Id, $"its rewards took longer than train.reward-timeout, {_limits.Timeout}"));
        Timers.StartSingleTimer(late, new GraceOver(late), Grace);
    }

    private void CountStuck(Scoring late)
    {
        _stuck.Add(late);
        if (_stuck.Count > _limits.MaxStuck)
        {
            late.Asker.Tell(new AbandonTraining(
                $"{_stuck.Count} reward computations did not end {Grace.TotalSeconds} s after they were told to, more"
                + $" than train.max-stuck-rewards = {_limits.MaxStuck}; the last one is for {late.Asked.Item.Id}. A"
                + " reward function must end when its cancellation token asks it to"));
        }
    }

    private async Task<GroupScored> ScoreAllAsync(ScoreGroup asked, CancellationToken cancellation)
    {
        var completions = asked.Group.Completions;
        var rewards = new double[completions.Length];
        var texts = new string[completions.Length];
        for (var i = 0; i < completions.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            texts[i] = _tokenizer.Decode(completions[i].Tokens);
            var sample = new ScoredSample(
                asked.Item, texts[i], completions[i].Tokens, completions[i].Reason, asked.MaxTokens);
            rewards[i] = await _reward.ScoreAsync(sample, cancellation).ConfigureAwait(false);
            if (!double.IsFinite(rewards[i]))
                throw new InvalidOperationException($"the reward of sample {i} is {rewards[i]}");
        }
        return new GroupScored(asked.Group.Id, rewards, texts);
    }

    /// <summary>One group that is scored; compared by reference.</summary>
    private sealed class Scoring(ScoreGroup asked, IActorRef asker, CancellationTokenSource stop)
    {
        public ScoreGroup Asked { get; } = asked;

        public IActorRef Asker { get; } = asker;

        public CancellationTokenSource Stop { get; } = stop;
    }

    private sealed record Ended(Scoring Scoring, object Answer) : INoSerializationVerificationNeeded;

    private sealed record Overdue(Scoring Scoring) : INoSerializationVerificationNeeded;

    private sealed record GraceOver(Scoring Scoring) : INoSerializationVerificationNeeded;
}

/// <summary>The limits of scoring, from the section <c>train</c>.</summary>
/// <param name="Timeout">The time for the rewards of one group.</param>
/// <param name="MaxStuck">Reward computations that may go on after they were told to give up.</param>
public sealed record RewardLimits(TimeSpan Timeout, int MaxStuck);
