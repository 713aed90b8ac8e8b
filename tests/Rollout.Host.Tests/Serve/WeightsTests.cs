using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Rollout.Gpu.Models;
using Rollout.Gpu.Weights;
using Rollout.Host.Tests.Support;
using TorchSharp;
using Xunit;

namespace Rollout.Host.Tests.Serve;

/// <summary>A server whose weights a trainer replaces. Paused, it keeps what it has for as long as a test needs.</summary>
public sealed class WeightsTests : IAsyncLifetime
{
    private const string Path = "/v1/completions";

    private readonly TemporaryFolder _folder = new();
    private string _model = "";
    private TestServer _server = null!;

    public async Task InitializeAsync()
    {
        _model = ChatModel.Write(_folder);
        _server = await TestServer.StartAsync(_model, $"serve.weights-folder={_folder.At("")}", "serve.max-samples=4");
    }

    public async Task DisposeAsync()
    {
        await _server.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task New_weights_sample_under_their_version_and_the_old_ones_come_back_the_same()
    {
        var before = await SampleAsync();
        Save("one", seed: 7);
        Assert.Equal((HttpStatusCode.OK, 1, false), await PolicyAsync("/v1/weights", new { path = "one" }));
        var after = await SampleAsync();
        Save("two", seed: 1);       // the server's own random weights
        Assert.Equal((HttpStatusCode.OK, 12, false), await PolicyAsync("/v1/weights", new { path = "two", version = 12 }));
        var again = await SampleAsync();

        Assert.Equal((0, 1, 12), (before.Version, after.Version, again.Version));
        Assert.NotEqual(before.Logprobs, after.Logprobs);
        Assert.Equal(before.Logprobs, again.Logprobs);
    }

    [Fact]
    public async Task Paused_it_answers_nothing_and_goes_on_with_the_samples_that_it_had()
    {
        var undisturbed = await SampleAsync();
        Assert.Equal((HttpStatusCode.OK, 0, true), await PolicyAsync("/v1/pause", new { }));
        Assert.Equal((HttpStatusCode.OK, 0, true), await PolicyAsync("/v1/pause", new { }));
        var waiting = SampleAsync();
        Save("one", seed: 7);
        Assert.Equal((HttpStatusCode.OK, 1, true), await PolicyAsync("/v1/weights", new { path = "one" }));
        Assert.False(waiting.IsCompleted);
        Assert.Equal((HttpStatusCode.OK, 1, false), await PolicyAsync("/v1/resume", new { }));

        var resumed = await waiting;
        Assert.Equal(1, resumed.Version);
        Assert.NotEqual(undisturbed.Logprobs, resumed.Logprobs);
    }

    [Fact]
    public async Task Weights_that_can_not_be_loaded_change_nothing()
    {
        var before = await SampleAsync();
        Save("other", seed: 7, layers: 3);
        foreach (var (path, status) in ((string, int)[])[("other", 409), ("nothing", 409), ("../elsewhere", 400), ("/etc", 400), ("", 400)])
        {
            var (answered, answer) = await _server.PostAsync("/v1/weights", new { path });
            Assert.Equal(status, (int)answered);
            Assert.DoesNotContain(_folder.At(""), answer.GetRawText());
        }
        Save("one", seed: 7);
        var (old, _) = await _server.PostAsync("/v1/weights", new { path = "one", version = 0 });
        Assert.Equal(HttpStatusCode.Conflict, old);

        Assert.Equal(before.Logprobs, (await SampleAsync()).Logprobs);
        Assert.Equal(0, (await SampleAsync()).Version);
    }

    [Fact]
    public async Task Too_many_samples_at_once_are_told_when_to_try_again()
    {
        await PolicyAsync("/v1/pause", new { });
        var kept = Enumerable.Range(0, 2).Select(_ => _server.PostAsync(Path, Body(samples: 2, max: 4))).ToArray();
        await _server.UntilAsync("rollout_samples 4");

        using var refused = await _server.SendAsync(Path, JsonSerializer.Serialize(Body(samples: 1, max: 4)));

        Assert.Equal((HttpStatusCode.TooManyRequests, TimeSpan.FromSeconds(1)), (refused.StatusCode, refused.Headers.RetryAfter?.Delta));
        Assert.Equal("rate_limit_error", (await TestServer.JsonAsync(refused)).GetProperty("error").GetProperty("type").GetString());
        await PolicyAsync("/v1/resume", new { });
        Assert.All(await Task.WhenAll(kept), answer => Assert.Equal(HttpStatusCode.OK, answer.Status));
        Assert.Equal(HttpStatusCode.OK, (await _server.PostAsync(Path, Body(samples: 4, max: 1))).Status);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_client_that_hangs_up_frees_its_places_and_cancels_its_samples(bool streams)
    {
        await PolicyAsync("/v1/pause", new { });
        using var gone = new CancellationTokenSource();
        var kept = _server.SendAsync(
            Path, JsonSerializer.Serialize(new { model = "tiny", prompt = "a", n = 4, max_tokens = 400, stream = streams }), gone.Token);
        await _server.UntilAsync("rollout_samples 4", "rollout_groups 1");

        await gone.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => kept);
        await _server.UntilAsync("rollout_samples 0", "rollout_groups 0", "status=\"499\"} 1");
        await PolicyAsync("/v1/resume", new { });
        Assert.Equal(HttpStatusCode.OK, (await _server.PostAsync(Path, Body(samples: 4, max: 2))).Status);
    }

    [Fact]
    public async Task A_stream_that_its_client_cuts_off_is_counted_and_frees_everything()
    {
        var body = JsonSerializer.Serialize(
            new { model = "tiny", prompt = "a", n = 4, max_tokens = 400, stream = true, ignore_eos = true });
        using (var client = new TcpClient())
        {
            await client.ConnectAsync(_server.Address.Host, _server.Address.Port);
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
                $"POST {Path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}"));
            Assert.Equal('H', client.GetStream().ReadByte());
        }

        await _server.UntilAsync("rollout_samples 0", "rollout_groups 0", "path=\"/v1/completions\",status=");
        Assert.Equal("", _server.Error.ToString());
    }

    [Fact]
    public async Task A_server_without_a_folder_of_weights_has_none_of_these_paths()
    {
        await using var plain = await TestServer.StartAsync(_model);
        foreach (var path in (string[])["/v1/pause", "/v1/resume", "/v1/weights"])
            Assert.Equal(HttpStatusCode.NotFound, (await plain.PostAsync(path, new { })).Status);
    }

    private static object Body(int samples, int max) => new { model = "tiny", prompt = "a", n = samples, max_tokens = max };

    private async Task<(HttpStatusCode Status, int Version, bool Paused)> PolicyAsync(string path, object body)
    {
        var (status, answer) = await _server.PostAsync(path, body);
        return (status, answer.GetProperty("policy_version").GetInt32(), answer.GetProperty("paused").GetBoolean());
    }

    private async Task<(string Logprobs, int Version)> SampleAsync()
    {
        var (_, answer) = await _server.PostAsync(
            Path, new { model = "tiny", prompt = "Hello", max_tokens = 16, seed = 1, logprobs = 0, ignore_eos = true });
        return (answer.GetProperty("choices")[0].GetProperty("logprobs").GetRawText(), answer.GetProperty("policy_version").GetInt32());
    }

    private void Save(string name, int seed, int layers = 2)
    {
        var shape = ModelConfigReader.ReadFolder(_model) with { LayerCount = layers };
        using var model = new CausalLm(shape, torch.ScalarType.Float32, torch.CPU);
        model.InitializeRandom((ulong)seed);
        HuggingFaceModel.Save(model, _folder.At(name));
    }
}
