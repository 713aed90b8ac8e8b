using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Rollout.Actors.Protocol;

namespace Rollout.Host.Serve;

/// <summary>What a server has answered, in the text format of Prometheus. Safe for concurrent use.</summary>
internal sealed class ServeMetrics
{
    private readonly ConcurrentDictionary<(string Path, int Status), long> _requests = [];
    private readonly Histogram _firstToken = new();
    private readonly Histogram _tokens = new();
    private readonly Histogram _durations = new();
    private long _promptTokens;
    private long _sampledTokens;

    /// <summary>Counts an answered request.</summary>
    /// <param name="path">The path of its endpoint; one for all that have none.</param>
    /// <param name="status">The status of the answer.</param>
    /// <param name="took">From its headers to the end of the answer.</param>
    public void AddRequest(string path, int status, TimeSpan took)
    {
        _requests.AddOrUpdate((path, status), 1, (_, count) => count + 1);
        _durations.Add(took);
    }

    /// <summary>Measures the samples of a request.</summary>
    public SampleClock Start(SampleRequest request)
    {
        Interlocked.Add(ref _promptTokens, request.Groups.Sum(group => group.Prompt.Length));
        return new SampleClock(this);
    }

    /// <summary>The metrics as text.</summary>
    /// <param name="report">The scheduler's; null if it has not answered.</param>
    /// <param name="samples">Samples on their way.</param>
    public string Write(SchedulerReport? report, int samples)
    {
        var text = new StringBuilder();
        Describe(text, "rollout_requests_total", "counter", "Answered requests.");
        foreach (var ((path, status), count) in _requests.OrderBy(pair => pair.Key))
            text.Append(CultureInfo.InvariantCulture, $"rollout_requests_total{{path=\"{path}\",status=\"{status}\"}} {count}\n");
        Gauge(text, "rollout_prompt_tokens_total", "counter", "Prompt tokens of accepted requests.", Volatile.Read(ref _promptTokens));
        Gauge(text, "rollout_generation_tokens_total", "counter", "Sampled tokens.", Volatile.Read(ref _sampledTokens));
        Gauge(text, "rollout_samples", "gauge", "Samples on their way for clients of this server.", samples);
        Gauge(text, "rollout_decoders", "gauge", "Decoders that take samples.", report?.Decoders ?? 0);
        Gauge(text, "rollout_groups", "gauge", "Groups on their way, of all clients of the scheduler.", report?.Groups ?? 0);
        Gauge(text, "rollout_waiting_sequences", "gauge", "Sequences that no decoder has.", report?.WaitingSequences ?? 0);
        if (report?.Policy is { } policy)
            Gauge(text, "rollout_policy_version", "gauge", "The version of the weights.", policy.Version.Value);
        Write(text, "rollout_time_to_first_token_seconds", "From a request to its first token.", _firstToken);
        Write(text, "rollout_time_per_output_token_seconds", "Between two parts of a stream.", _tokens);
        Write(text, "rollout_request_duration_seconds", "From a request's headers to the end of its answer.", _durations);
        return text.ToString();
    }

    private static void Write(StringBuilder text, string name, string help, Histogram histogram)
    {
        Describe(text, name, "histogram", help);
        histogram.Write(text, name);
    }

    private static void Gauge(StringBuilder text, string name, string kind, string help, long value)
    {
        Describe(text, name, kind, help);
        text.Append(CultureInfo.InvariantCulture, $"{name} {value}\n");
    }

    private static void Describe(StringBuilder text, string name, string kind, string help) =>
        text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {help}\n# TYPE {name} {kind}\n");

    /// <summary>Measures the tokens of one request.</summary>
    internal sealed class SampleClock(ServeMetrics metrics)
    {
        private readonly long _started = Stopwatch.GetTimestamp();
        private long _last;     // 0 before the first tokens

        /// <summary>Notes that tokens have come.</summary>
        public void Add(int tokens)
        {
            var now = Stopwatch.GetTimestamp();
            if (_last == 0)
                metrics._firstToken.Add(Stopwatch.GetElapsedTime(_started, now));
            else
                metrics._tokens.Add(Stopwatch.GetElapsedTime(_last, now));
            _last = now;
            Interlocked.Add(ref metrics._sampledTokens, tokens);
        }
    }
}
