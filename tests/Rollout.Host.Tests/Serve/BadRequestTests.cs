using System.Net;
using System.Net.Sockets;
using System.Text;
using Rollout.Actors.Settings;
using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Serve;

/// <summary>What can't be answered has the right status and the shape of OpenAI's errors, and harms no other request.</summary>
public sealed class BadRequestTests(BadRequestTests.Served served) : IClassFixture<BadRequestTests.Served>, IAsyncLifetime
{
    private const string Key = "a-key-of-16-letters";

    private readonly TemporaryFolder _folder = served.Folder;
    private readonly TestServer _server = served.Server;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        Assert.Equal("", _server.Error.ToString());
        await AssertServesAsync();
    }

    [Theory]
    [InlineData("", 400, null)]
    [InlineData("{", 400, null)]
    [InlineData("[]", 400, null)]
    [InlineData("{\"model\":\"tiny\",\"model\":\"tiny\",\"prompt\":\"a\"}", 400, null)]
    [InlineData("{\"prompt\":\"a\"}", 400, "model")]
    [InlineData("{\"model\":\"gpt-4\",\"prompt\":\"a\"}", 404, "model")]
    [InlineData("{\"model\":\"tiny\"}", 400, "prompt")]
    [InlineData("{\"model\":\"tiny\",\"prompt\":\"\"}", 400, "prompt")]
    [InlineData("{\"model\":\"tiny\",\"prompt\":[]}", 400, "prompt")]
    [InlineData("{\"model\":\"tiny\",\"prompt\":[1,258]}", 400, "prompt")]
    [InlineData("{\"model\":\"tiny\",\"prompt\":[1,\"a\"]}", 400, "prompt")]
    [InlineData("{\"model\":\"tiny\",\"prompt\":[[1],7]}", 400, "prompt")]
    [InlineData("{\"model\":\"tiny\",\"prompt\":{}}", 400, "prompt")]
    [InlineData("{\"model\":\"tiny\",\"prompt\":\"a\",\"max_tokens\":0}", 400, "max_tokens")]
    [InlineData("{\"model\":\"tiny\",\"prompt\":\"a\",\"max_tokens\":512}", 400, "max_tokens")]
    [InlineData("{\"model\":\"tiny\",\"prompt\":\"a\",\"n\":9}", 400, "n")]
    [InlineData("{\"model\":\"tiny\",\"prompt\":[\"a\",\"b\",\"c\"],\"n\":3}", 400, "n")]
    [InlineData("{\"model\":\"tiny\",\"prompt\":\"a\",\"temperature\":-1}", 400, "temperature")]
    [InlineData("{\"model\":\"tiny\",\"prompt\":\"a\",\"top_p\":0}", 400, "top_p")]
    [InlineData("{\"model\":\"tiny\",\"prompt\":\"a\",\"stop\":\"\"}", 400, "stop")]
    [InlineData("{\"model\":\"tiny\",\"prompt\":\"a\",\"stop\":[1]}", 400, "stop")]
    [InlineData("{\"model\":\"tiny\",\"prompt\":\"a\",\"seed\":1.5}", 400, "seed")]
    [InlineData("{\"model\":\"tiny\",\"prompt\":\"a\",\"stream\":1}", 400, "stream")]
    [InlineData("{\"model\":\"tiny\",\"prompt\":\"a\",\"stream_options\":{\"include_usage\":2}}", 400, "stream_options.include_usage")]
    [InlineData("{\"model\":\"tiny\",\"prompt\":\"a\",\"logprobs\":5}", 400, "logprobs")]
    [InlineData("{\"model\":\"tiny\",\"prompt\":\"a\",\"echo\":true}", 400, "echo")]
    [InlineData("{\"model\":\"tiny\",\"prompt\":\"a\",\"presence_penalty\":0.5}", 400, "presence_penalty")]
    public async Task A_field_that_can_not_be_used_is_named(string body, int status, string? field)
    {
        using var answer = await _server.SendAsync("/v1/completions", body);
        await AssertErrorAsync(answer, status, field);
    }

    [Fact]
    public async Task A_model_without_a_chat_format_refuses_conversations()
    {
        using var answer = await _server.SendAsync(
            "/v1/chat/completions", """{"model":"tiny","messages":[{"role":"user","content":"hi"}]}""");
        var message = await AssertErrorAsync(answer, 400, "messages");
        Assert.Contains("has no chat_template", message, StringComparison.Ordinal);
        Assert.DoesNotContain(_folder.At(""), message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_prompt_that_is_too_long_has_the_code_that_clients_look_for()
    {
        foreach (var prompt in (string[])[new('x', 512), new('x', 40_000)])
        {
            var (status, answer) = await _server.PostAsync("/v1/completions", new { model = "tiny", prompt });
            Assert.Equal(HttpStatusCode.BadRequest, status);
            Assert.Equal("context_length_exceeded", answer.GetProperty("error").GetProperty("code").GetString());
        }
    }

    [Theory]
    [InlineData(null)]
    [InlineData("Bearer")]
    [InlineData("Bearer a-key-of-16-letterz")]
    [InlineData("Basic a-key-of-16-letters")]
    public async Task Without_a_key_nothing_is_told_but_health(string? shown)
    {
        using var client = new HttpClient { BaseAddress = _server.Address };
        if (shown is not null)
            client.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", shown);
        foreach (var path in (string[])["/v1/models", "/", "/nothing"])
        {
            using var answer = await client.GetAsync(path);
            await AssertErrorAsync(answer, 401, field: null);
        }
        using var health = await client.GetAsync("/health");
        Assert.Equal(HttpStatusCode.OK, health.StatusCode);
    }

    [Fact]
    public async Task Paths_methods_and_types_that_do_not_exist_are_refused()
    {
        using var path = await _server.SendAsync("/v1/nothing", "{}");
        await AssertErrorAsync(path, 404, field: null);
        using var method = await _server.Client.GetAsync("/v1/completions");
        await AssertErrorAsync(method, 405, field: null);
        using var type = await _server.Client.PostAsync("/v1/completions", new StringContent("{}", Encoding.UTF8, "text/plain"));
        await AssertErrorAsync(type, 415, field: null);
        using var model = await _server.Client.GetAsync("/v1/models/other");
        await AssertErrorAsync(model, 404, "model");
    }

    [Fact]
    public async Task A_field_that_the_server_does_not_know_is_named_in_a_header_or_refused()
    {
        const string body = """{"model":"tiny","prompt":"a","max_tokens":1,"beam_width":2,"ünknown":1,"user":"me"}""";
        using var reported = await _server.SendAsync("/v1/completions", body);
        Assert.Equal(HttpStatusCode.OK, reported.StatusCode);
        Assert.Equal("beam_width, ?nknown", reported.Headers.GetValues("X-Unknown-Fields").Single());

        await using var strict = await TestServer.StartAsync(ChatModel.Write(_folder), "serve.unknown-fields=refuse");
        using var refused = await strict.SendAsync("/v1/completions", body);
        await AssertErrorAsync(refused, 400, "beam_width");
    }

    [Fact]
    public async Task A_body_that_is_too_long_is_refused_before_it_is_sent()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions")
        {
            Content = new StringContent(new string(' ', 70_000), Encoding.UTF8, "application/json"),
        };
        request.Headers.ExpectContinue = true;
        using var answer = await _server.Client.SendAsync(request);
        await AssertErrorAsync(answer, 413, field: null);
    }

    [Fact]
    public async Task A_body_that_never_ends_is_cut_off()
    {
        using var client = new TcpClient();
        await client.ConnectAsync(_server.Address.Host, _server.Address.Port);
        var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(
            "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
            + $"Authorization: Bearer {Key}\r\n\r\n"));
        var chunk = Encoding.ASCII.GetBytes($"1000\r\n{new string(' ', 4096)}\r\n");

        await Assert.ThrowsAsync<IOException>(async () =>
        {
            while (true)
                await stream.WriteAsync(chunk);
        });
    }

    [Fact]
    public async Task Clients_that_send_nothing_more_hold_up_nobody()
    {
        var slow = new List<TcpClient>();
        try
        {
            for (var i = 0; i < 200; i++)
            {
                var client = new TcpClient();
                slow.Add(client);
                await client.ConnectAsync(_server.Address.Host, _server.Address.Port);
                var begun = i % 2 == 0
                    ? "POST /v1/compl"
                    : $"POST /v1/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {Key}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{";
                await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(begun));
            }
            await AssertServesAsync();
        }
        finally
        {
            slow.ForEach(client => client.Dispose());
        }
    }

    [Fact]
    public async Task An_address_that_others_reach_needs_keys_and_keys_need_letters()
    {
        var model = ChatModel.Write(_folder);
        var open = await Assert.ThrowsAsync<ConfigurationException>(() => TestServer.StartAsync(model, "serve.address=0.0.0.0"));
        Assert.Contains("rollout.serve.address", open.Message);
        var keys = _folder.At("short");
        File.WriteAllText(keys, "short\n");
        var few = await Assert.ThrowsAsync<ConfigurationException>(() => TestServer.StartAsync(model, $"serve.api-keys={keys}"));
        Assert.Contains("rollout.serve.api-keys", few.Message);
    }

    [Fact]
    public async Task A_port_that_is_taken_is_named()
    {
        var taken = await Assert.ThrowsAsync<ConfigurationException>(
            () => TestServer.StartAsync(ChatModel.Write(_folder), $"serve.port={_server.Address.Port}"));
        Assert.Contains($"{_server.Address.Port}", taken.Message);
    }

    private static async Task<string> AssertErrorAsync(HttpResponseMessage answer, int status, string? field)
    {
        var error = (await TestServer.JsonAsync(answer)).GetProperty("error");
        Assert.Equal((status, field), ((int)answer.StatusCode, error.GetProperty("param").GetString()));
        Assert.Contains(error.GetProperty("type").GetString(), (string[])["invalid_request_error", "authentication_error"]);
        return error.GetProperty("message").GetString()!;
    }

    private async Task AssertServesAsync()
    {
        var (status, _) = await _server.PostAsync("/v1/completions", new { model = "tiny", prompt = "a", max_tokens = 2 });
        Assert.Equal(HttpStatusCode.OK, status);
    }

    /// <summary>One server for all tests.</summary>
    public sealed class Served : IAsyncLifetime
    {
        internal TemporaryFolder Folder { get; } = new();

        internal TestServer Server { get; private set; } = null!;

        public async Task InitializeAsync()
        {
            var keys = Folder.At("keys");
            await File.WriteAllTextAsync(keys, $"# for tests\nanother-key-of-many-letters\n{Key} # mine\n");
            Server = await TestServer.StartAsync(
                ChatModel.Write(Folder, template: null), $"serve.api-keys={keys}", "serve.max-body=64KiB", "serve.max-samples=8");
            Server.Client.DefaultRequestHeaders.Authorization = new("Bearer", Key);
        }

        public async Task DisposeAsync()
        {
            await Server.DisposeAsync();
            Folder.Dispose();
        }
    }
}
