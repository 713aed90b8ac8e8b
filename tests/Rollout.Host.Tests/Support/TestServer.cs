using System.Net;
using System.Text;
using System.Text.Json;
using Rollout.Host.Invocation;
using Rollout.Host.Serve;

namespace Rollout.Host.Tests.Support;

/// <summary>A server of a <see cref="ChatModel"/> with random weights on a free port, and a client of it.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    private readonly RunningServer _server;

    public TestServer(RunningServer server, StringWriter error)
    {
        (_server, Error) = (server, error);
        Client = new HttpClient { BaseAddress = server.Address };
    }

    public HttpClient Client { get; }

    public Uri Address => _server.Address;

    /// <summary>What it has written to standard error.</summary>
    public StringWriter Error { get; }

    /// <param name="model">The model's folder.</param>
    /// <param name="set">Settings, <c>key=value</c>.</param>
    public static async Task<TestServer> StartAsync(string model, params string[] set)
    {
        var error = new StringWriter();
        var options = new ServeOptions
        {
            Model = model,
            Port = 0,
            Engine = new EngineOptions { KvBlocks = 2048 },
            Set = ["serve.model-name=tiny", "model.weights=random", .. set],
        };
        return new TestServer(
            await RunningServer.StartAsync(options, Consoles.Context(TextWriter.Null, TextWriter.Synchronized(error))), error);
    }

    /// <summary>Posts JSON, and gives the answer's status and JSON.</summary>
    public async Task<(HttpStatusCode Status, JsonElement Answer)> PostAsync(string path, object body)
    {
        using var answer = await SendAsync(path, JsonSerializer.Serialize(body));
        return (answer.StatusCode, await JsonAsync(answer));
    }

    /// <summary>Posts a text as JSON.</summary>
    public Task<HttpResponseMessage> SendAsync(string path, string body, CancellationToken cancellation = default) => Client.SendAsync(
        new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(body, Encoding.UTF8, "application/json") },
        HttpCompletionOption.ResponseHeadersRead, cancellation);

    public static async Task<JsonElement> JsonAsync(HttpResponseMessage answer) =>
        JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.Clone();

    /// <summary>Posts JSON with <c>stream</c>, and gives the data of every event.</summary>
    public async Task<List<string>> EventsAsync(string path, object body)
    {
        using var answer = await SendAsync(path, JsonSerializer.Serialize(body));
        answer.EnsureSuccessStatusCode();
        return await EventsAsync(answer);
    }

    /// <summary>The data of every event of an answer.</summary>
    public static async Task<List<string>> EventsAsync(HttpResponseMessage answer)
    {
        var lines = (await answer.Content.ReadAsStringAsync()).Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        return [.. lines.Select(line => line["data: ".Length..])];
    }

    /// <summary>Returns when its metrics have all of these texts; fails after minutes without.</summary>
    public async Task UntilAsync(params string[] texts)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        string metrics;
        do
            metrics = await Client.GetStringAsync("/metrics", patience.Token);
        while (!texts.All(text => metrics.Contains(text, StringComparison.Ordinal)));
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _server.DisposeAsync();
    }
}
