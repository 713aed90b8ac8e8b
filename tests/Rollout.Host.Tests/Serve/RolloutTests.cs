using System.Net;
using System.Text.Json;
using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Serve;

/// <summary>Groups for a trainer of another program.</summary>
public sealed class RolloutTests : IAsyncLifetime
{
    private const string Path = "/v1/rollouts";

    private readonly TemporaryFolder _folder = new();
    private TestServer _server = null!;

    public async Task InitializeAsync() =>
        _server = await TestServer.StartAsync(ChatModel.Write(_folder));

    public async Task DisposeAsync()
    {
        await _server.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_groups_samples_come_whole_and_once_and_are_those_of_the_completions()
    {
        int[] stops = [.. Enumerable.Range(0, 40)];     // samples of different lengths
        var body = new Dictionary<string, object>
        {
            ["model"] = "tiny",
            ["prompt"] = "1+2=",
            ["n"] = 8,
            ["seed"] = 4,
            ["max_tokens"] = 24,
            ["top_p"] = 0.9,
            ["stop_token_ids"] = stops,
        };
        var events = await _server.EventsAsync(Path, body);
        body["return_token_ids"] = true;
        var (_, completions) = await _server.PostAsync("/v1/completions", body);

        Assert.Equal("[DONE]", events[^1]);
        var parts = events[..^1].Select(data => JsonDocument.Parse(data).RootElement).ToArray();
        var samples = parts[..^1].OrderBy(part => part.GetProperty("sample").GetInt32()).ToArray();
        Assert.Equal(Enumerable.Range(0, 8), samples.Select(part => part.GetProperty("sample").GetInt32()));
        Assert.Equal(
            completions.GetProperty("choices").EnumerateArray().Select(choice => choice.GetProperty("token_ids").GetRawText()),
            samples.Select(part => part.GetProperty("token_ids").GetRawText()));
        Assert.All(samples, part =>
        {
            var tokens = part.GetProperty("token_ids").GetArrayLength();
            Assert.Equal((tokens, tokens), (part.GetProperty("logprobs").GetArrayLength(), part.GetProperty("sampling_logprobs").GetArrayLength()));
            Assert.Equal("""[{"start":0,"version":0}]""", part.GetProperty("policy_versions").GetRawText());
        });
        Assert.Equal("rollout.end", parts[^1].GetProperty("object").GetString());
        Assert.Equal("[49,43,50,61]", parts[^1].GetProperty("prompt_token_ids").GetRawText());
        Assert.Equal(
            completions.GetProperty("usage").GetRawText(), parts[^1].GetProperty("usage").GetRawText());
    }

    [Fact]
    public async Task A_conversation_without_a_stream_is_one_answer()
    {
        var (status, answer) = await _server.PostAsync(
            Path, new { model = "tiny", messages = (object[])[new { role = "user", content = "hi" }], n = 2, max_tokens = 3, stream = false });
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal(2, answer.GetProperty("samples").GetArrayLength());
    }

    [Theory]
    [InlineData("{\"model\":\"tiny\"}")]
    [InlineData("{\"model\":\"tiny\",\"prompt\":\"a\",\"messages\":[]}")]
    [InlineData("{\"model\":\"tiny\",\"prompt\":[\"a\",\"b\"]}")]
    public async Task A_group_has_one_prompt(string body)
    {
        using var answer = await _server.SendAsync(Path, body);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Equal("prompt", (await TestServer.JsonAsync(answer)).GetProperty("error").GetProperty("param").GetString());
    }
}
