using System.Globalization;
using System.Text.RegularExpressions;
using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Serve;

/// <summary>What Prometheus reads from a server.</summary>
public sealed partial class MetricsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public async Task Metrics_count_requests_tokens_and_times_in_the_format_of_Prometheus()
    {
        await using var server = await TestServer.StartAsync(ChatModel.Write(_folder));
        object body = new { model = "tiny", prompt = "abc", max_tokens = 5, n = 2, ignore_eos = true };
        await server.PostAsync("/v1/completions", body);
        await server.PostAsync("/v1/completions", new { model = "other", prompt = "abc" });
        await server.PostAsync("/a\"path", new { });

        var lines = (await server.Client.GetStringAsync("/metrics")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var values = lines.Where(line => !line.StartsWith('#')).Select(line => Sample().Match(line)).ToArray();

        Assert.All(values, value => Assert.True(value.Success));
        Assert.All(values, value => Assert.Contains(
            $"# TYPE {Regex.Replace(value.Groups["name"].Value, "_(bucket|sum|count)$", "")} ",
            string.Join('\n', lines), StringComparison.Ordinal));
        double Value(string of) => double.Parse(
            values.Single(value => value.Groups["key"].Value == of).Groups["value"].Value, CultureInfo.InvariantCulture);
        Assert.Equal(1, Value("rollout_requests_total{path=\"/v1/completions\",status=\"200\"}"));
        Assert.Equal(1, Value("rollout_requests_total{path=\"/v1/completions\",status=\"404\"}"));
        Assert.Equal(1, Value("rollout_requests_total{path=\"none\",status=\"404\"}"));
        Assert.Equal((3, 10), (Value("rollout_prompt_tokens_total"), Value("rollout_generation_tokens_total")));
        Assert.Equal((0, 1, 0), (Value("rollout_samples"), Value("rollout_decoders"), Value("rollout_policy_version")));
        Assert.Equal(1, Value("rollout_time_to_first_token_seconds_count"));
        Assert.Equal(3, Value("rollout_request_duration_seconds_bucket{le=\"+Inf\"}"));
    }

    [Theory]
    [InlineData("localhost", 200)]
    [InlineData("127.0.0.1:80", 200)]
    [InlineData("[::1]:80", 200)]
    [InlineData("rebound.example", 421)]
    public async Task Without_keys_only_requests_to_this_machines_names_are_answered(string host, int status)
    {
        await using var server = await TestServer.StartAsync(ChatModel.Write(_folder));
        using var request = new HttpRequestMessage(HttpMethod.Get, "/metrics");
        request.Headers.Host = host;
        using var answer = await server.Client.SendAsync(request);
        Assert.Equal(status, (int)answer.StatusCode);
    }

    public void Dispose() => _folder.Dispose();

    [GeneratedRegex("""^(?<key>(?<name>[a-z_]+)(\{[a-z]+="[^"\\]*"(,[a-z]+="[^"\\]*")*\})?) (?<value>[0-9.eE+-]+)$""")]
    private static partial Regex Sample();
}
