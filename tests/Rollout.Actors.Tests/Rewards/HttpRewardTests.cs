using Rollout.Actors.Rewards;
using Xunit;

namespace Rollout.Actors.Tests.Rewards;

public sealed class HttpRewardTests
{
    private static readonly BatchLimits Limits = new(8, TimeSpan.FromSeconds(1));
    private static readonly ScoredSample[] Two = [Samples.Of("four", "4", tokens: 2), Samples.Of("five", "5")];

    [Fact]
    public async Task A_batch_is_posted_as_JSON_and_numbers_and_null_come_back()
    {
        using var server = new JudgeServer(JudgeServer.Ok("""{"rewards": [0.5, null]}"""));

        Assert.Equal([0.5, null], await ScoreAsync(server, token: "secret"));

        var request = Assert.Single(server.Requests);
        Assert.StartsWith("POST /score HTTP/1.1", request);
        Assert.Contains("Authorization: Bearer secret", request);
        Assert.EndsWith(
            """
            {"samples":[{"prompt":"prompt","completion":"four","fields":{"answer":"4"},"tokens":2,"finish_reason":"stop"},
            {"prompt":"prompt","completion":"five","fields":{"answer":"5"},"tokens":1,"finish_reason":"stop"}]}
            """.ReplaceLineEndings(""),
            request);
    }

    [Theory]
    [InlineData("503 Service Unavailable", "", null)]
    [InlineData("429 Too Many Requests", "Retry-After: 7\r\n", 7)]
    [InlineData("408 Request Timeout", "", null)]
    [InlineData("500 Internal Server Error", "", null)]
    public async Task A_judge_that_is_busy_can_be_asked_again(string status, string headers, int? after)
    {
        using var server = new JudgeServer(JudgeServer.Status(status, "", headers));

        var wrong = await Assert.ThrowsAsync<RetryableRewardException>(() => ScoreAsync(server));

        Assert.Equal($"{server.Url} answered {status}", wrong.Message);
        Assert.Equal(after, (int?)wrong.After?.TotalSeconds);
    }

    [Fact]
    public async Task A_judge_that_hangs_up_is_away_or_is_silent_can_be_asked_again()
    {
        using var server = new JudgeServer("", null);
        Assert.Contains("can't be asked", (await Assert.ThrowsAsync<RetryableRewardException>(() => ScoreAsync(server))).Message);
        var late = await Assert.ThrowsAsync<RetryableRewardException>(
            () => ScoreAsync(server, timeout: TimeSpan.FromMilliseconds(50)));
        Assert.Equal($"{server.Url} gave no answer within 0.05 s", late.Message);

        server.Dispose();
        Assert.Contains("can't be asked", (await Assert.ThrowsAsync<RetryableRewardException>(() => ScoreAsync(server))).Message);
    }

    [Theory]
    [InlineData("""{"rewards": [1]}""", "it gave 1 rewards for 2 samples")]
    [InlineData("""{"rewards": [1, "2"]}""", "\"2\" among its rewards is no number and not null")]
    [InlineData("""{"scores": [1, 2]}""", "its answer \"{\"scores\": [1, 2]}\" has no list \"rewards\"")]
    [InlineData("[1, 2]", "its answer \"[1, 2]\" has no list \"rewards\"")]
    [InlineData("<html>", "its answer \"<html>\" is not JSON")]
    [InlineData("{\"rewards\": [NaN, 1]}", "is not JSON")]
    public async Task An_answer_that_can_not_be_read_is_an_error(string body, string sentence)
    {
        using var server = new JudgeServer(JudgeServer.Ok(body));
        Assert.Contains(sentence, (await Assert.ThrowsAsync<InvalidDataException>(() => ScoreAsync(server))).Message);
    }

    [Fact]
    public async Task A_status_that_no_retry_helps_is_an_error_with_what_the_judge_says()
    {
        using var server = new JudgeServer(JudgeServer.Status("400 Bad Request", "no field answer"));
        Assert.Equal(
            $"{server.Url} answered 400 Bad Request; its answer \"no field answer\"",
            (await Assert.ThrowsAsync<InvalidDataException>(() => ScoreAsync(server))).Message);
    }

    [Fact]
    public async Task An_answer_without_end_is_an_error()
    {
        using var server = new JudgeServer(JudgeServer.Ok(new string(' ', 2 << 20)));
        Assert.Contains(
            "answered with more than 1048576 bytes",
            (await Assert.ThrowsAsync<InvalidDataException>(() => ScoreAsync(server))).Message);
    }

    [Fact]
    public async Task A_judge_is_no_longer_waited_for_when_the_deadline_is_over()
    {
        using var server = new JudgeServer((string?)null);
        using var deadline = new CancellationTokenSource();
        var scoring = ScoreAsync(server, cancellation: deadline.Token);
        await deadline.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => scoring);
    }

    [Theory]
    [InlineData("type = http", "reward http needs the option url")]
    [InlineData("type = http, url = \"ftp://x\"", "rewards[0].url = \"ftp://x\": expected a URL that starts with http://")]
    [InlineData("type = http, url = \"http://x\", batch-size = 0", "rewards[0].batch-size = 0: expected a whole number from 1")]
    [InlineData("type = http, url = \"http://x\", token-variable = NO_SUCH_VARIABLE", "an environment variable that is set")]
    [InlineData("type = http, url = \"http://x\", tries = 3", "expected an option of reward http: batch-size, batch-wait, timeout")]
    public void Bad_options_are_refused(string reward, string sentence) => Assert.Contains(
        sentence, Assert.Throws<Rollout.Actors.Settings.ConfigurationException>(() => RewardRegistryTests.Create(reward)).Message);

    private static async Task<IReadOnlyList<double?>> ScoreAsync(
        JudgeServer server, string? token = null, TimeSpan? timeout = null, CancellationToken cancellation = default)
    {
        using var reward = new HttpReward(server.Url, Limits, timeout ?? TimeSpan.FromSeconds(30), token);
        return await reward.ScoreAsync(Two, cancellation);
    }
}
