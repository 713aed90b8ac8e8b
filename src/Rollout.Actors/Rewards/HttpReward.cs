using System.Net;
using System.Net.Http.Headers;

namespace Rollout.Actors.Rewards;

/// <summary>
/// Asks a judge behind a URL: one POST of <see cref="RewardJson"/> a batch. No connection, no answer in time, and the
/// statuses 408, 425, 429 and 5xx can be tried again, not before the time that Retry-After names.
/// </summary>
public sealed class HttpReward : IBatchReward, IDisposable
{
    private const int LongestAnswer = 1 << 20;

    private readonly HttpClient _client = new() { MaxResponseContentBufferSize = LongestAnswer };
    private readonly Uri _url;

    /// <param name="url">Where to post to; http or https.</param>
    /// <param name="limits">The size of batches.</param>
    /// <param name="timeout">The longest time of one request.</param>
    /// <param name="token">Sent as a bearer token; null for none.</param>
    public HttpReward(Uri url, BatchLimits limits, TimeSpan timeout, string? token = null)
    {
        (_url, Limits) = (url, limits);
        _client.Timeout = timeout;
        if (token is not null)
            _client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
    }

    /// <inheritdoc/>
    public BatchLimits Limits { get; }

    /// <inheritdoc/>
    /// <exception cref="InvalidDataException">The answer has another status, or can't be read.</exception>
    public async ValueTask<IReadOnlyList<double?>> ScoreAsync(
        IReadOnlyList<ScoredSample> batch, CancellationToken cancellation)
    {
        using var content = new ByteArrayContent(RewardJson.Write(batch));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json") { CharSet = "utf-8" };
        try
        {
            using var response = await _client.PostAsync(_url, content, cancellation).ConfigureAwait(false);
            var answer = await response.Content.ReadAsByteArrayAsync(cancellation).ConfigureAwait(false);
            if (response.IsSuccessStatusCode)
                return RewardJson.Read(answer, batch.Count);
            var says = $"{_url} answered {(int)response.StatusCode} {response.ReasonPhrase}";
            throw IsPassing(response.StatusCode)
                ? new RetryableRewardException(says, response.Headers.RetryAfter?.Delta)
                : new InvalidDataException($"{says}; {RewardJson.Shown(answer)}");
        }
        catch (HttpRequestException wrong) when (wrong.HttpRequestError == HttpRequestError.ConfigurationLimitExceeded)
        {
            throw new InvalidDataException($"{_url} answered with more than {LongestAnswer} bytes", wrong);
        }
        catch (HttpRequestException wrong)
        {
            throw new RetryableRewardException($"{_url} can't be asked: {wrong.Message}", cause: wrong);
        }
        catch (OperationCanceledException late) when (!cancellation.IsCancellationRequested)
        {
            throw new RetryableRewardException($"{_url} gave no answer within {_client.Timeout.TotalSeconds} s", cause: late);
        }
    }

    public void Dispose() => _client.Dispose();

    private static bool IsPassing(HttpStatusCode status) =>
        status is HttpStatusCode.RequestTimeout or (HttpStatusCode)425 or HttpStatusCode.TooManyRequests || (int)status >= 500;
}
