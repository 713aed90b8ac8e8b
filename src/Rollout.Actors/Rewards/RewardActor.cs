using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Actors.Text;

namespace Rollout.Actors.Rewards;

/// <summary>
/// Scores finished groups off the mailbox, many at a time. A reward function that throws, or takes longer than the
/// deadline, fails its group: no sample is ever scored 0 for want of an answer.
/// </summary>
public sealed class RewardActor : ReceiveActor
{
    private readonly ITokenizer _tokenizer;
    private readonly IRewardFunction _reward;
    private readonly TimeSpan _timeout;
    private readonly CancellationTokenSource _stopping = new();

    public RewardActor(ITokenizer tokenizer, IRewardFunction reward, TimeSpan timeout)
    {
        _tokenizer = tokenizer;
        _reward = reward;
        _timeout = timeout;
        Receive<ScoreGroup>(asked => ScoreAsync(asked).PipeTo(
            recipient: Sender,
            sender: Self,
            success: scored => scored,
            failure: cause => new ScoringFailed(asked.Group.Id, Sentence(cause))));
    }

    public static Props Props(ITokenizer tokenizer, IRewardFunction reward, TimeSpan timeout) =>
        Akka.Actor.Props.Create(() => new RewardActor(tokenizer, reward, timeout));

    protected override void PostStop()
    {
        _stopping.Cancel();
        _stopping.Dispose();
    }

    /// <summary>One that is too late, or belongs to an actor that stops, is told to give up and is not waited for.</summary>
    private async Task<GroupScored> ScoreAsync(ScoreGroup asked)
    {
        var stopping = _stopping.Token;
        using var giveUp = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        try
        {
            return await Task.Run(() => ScoreAllAsync(asked, giveUp.Token), stopping)
                .WaitAsync(_timeout, stopping).ConfigureAwait(false);
        }
        finally
        {
            await giveUp.CancelAsync().ConfigureAwait(false);
        }
    }

    private async Task<GroupScored> ScoreAllAsync(ScoreGroup asked, CancellationToken cancellation)
    {
        var completions = asked.Group.Completions;
        var rewards = new double[completions.Length];
        var texts = new string[completions.Length];
        for (var i = 0; i < completions.Length; i++)
        {
            texts[i] = _tokenizer.Decode(completions[i].Tokens);
            var sample = new ScoredSample(
                asked.Item, texts[i], completions[i].Tokens, completions[i].Reason, asked.MaxTokens);
            rewards[i] = await _reward.ScoreAsync(sample, cancellation).ConfigureAwait(false);
            if (!double.IsFinite(rewards[i]))
                throw new InvalidOperationException($"the reward of sample {i} is {rewards[i]}");
        }
        return new GroupScored(asked.Group.Id, rewards, texts);
    }

    private string Sentence(Exception cause) => cause switch
    {
        TimeoutException => $"its rewards were not there within {_timeout}",
        _ => $"its reward failed: {cause.Message}",
    };
}
