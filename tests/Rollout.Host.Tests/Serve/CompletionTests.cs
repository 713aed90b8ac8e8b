using System.Net;
using System.Text.Json;
using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Serve;

/// <summary>Completions of a server that has one for all tests.</summary>
public sealed class CompletionTests(CompletionTests.Served served) : IClassFixture<CompletionTests.Served>
{
    private const string Path = "/v1/completions";

    private readonly TestServer _server = served.Server;

    [Fact]
    public async Task One_seed_gives_one_answer_whatever_else_runs()
    {
        var body = new { model = "tiny", prompt = "Hello", max_tokens = 12, seed = 5, n = 3, return_token_ids = true, ignore_eos = true };
        var (status, first) = await _server.PostAsync(Path, body);
        Assert.Equal(HttpStatusCode.OK, status);
        var both = await Task.WhenAll(
            _server.PostAsync(Path, body), _server.PostAsync(Path, new { model = "tiny", prompt = "other", n = 5, max_tokens = 30 }));

        var choices = first.GetProperty("choices").EnumerateArray().ToArray();
        Assert.Equal([0, 1, 2], choices.Select(choice => choice.GetProperty("index").GetInt32()));
        Assert.All(choices, choice =>
        {
            Assert.Equal("length", choice.GetProperty("finish_reason").GetString());
            Assert.Equal(12, choice.GetProperty("token_ids").GetArrayLength());
            Assert.Equal("Hello"u8.ToArray().Select(letter => (int)letter), Numbers(choice.GetProperty("prompt_token_ids")));
            Assert.Equal(0, choice.GetProperty("policy_version").GetInt32());
        });
        Assert.NotEqual(Numbers(choices[0].GetProperty("token_ids")), Numbers(choices[1].GetProperty("token_ids")));
        Assert.Equal(first.GetProperty("choices").GetRawText(), both[0].Answer.GetProperty("choices").GetRawText());
        Assert.Equal("text_completion", first.GetProperty("object").GetString());
        Assert.Equal("tiny", first.GetProperty("model").GetString());
        Assert.Equal(0, first.GetProperty("policy_version").GetInt32());
        var usage = first.GetProperty("usage");
        Assert.Equal((5, 36, 41), (Number(usage, "prompt_tokens"), Number(usage, "completion_tokens"), Number(usage, "total_tokens")));
    }

    [Fact]
    public async Task Texts_and_token_ids_are_the_same_prompts_and_several_come_in_one_request()
    {
        var ids = "ab"u8.ToArray().Select(letter => (int)letter).ToArray();
        var (_, texts) = await _server.PostAsync(Path, Body((string[])["ab", "abc"]));
        var (_, lists) = await _server.PostAsync(Path, Body((int[][])[ids, [.. ids, 'c']]));
        var (_, one) = await _server.PostAsync(Path, Body(ids));

        Assert.Equal(4, texts.GetProperty("choices").GetArrayLength());
        Assert.Equal(texts.GetProperty("choices").GetRawText(), lists.GetProperty("choices").GetRawText());
        Assert.Equal(
            texts.GetProperty("choices").EnumerateArray().Take(2).Select(choice => choice.GetRawText()),
            one.GetProperty("choices").EnumerateArray().Select(choice => choice.GetRawText()));

        static object Body(object prompt) => new { model = "tiny", prompt, max_tokens = 8, seed = 1, n = 2, logprobs = 0 };
    }

    [Fact]
    public async Task Log_probabilities_name_each_token_and_greedy_ones_are_the_largest()
    {
        var (_, answer) = await _server.PostAsync(
            Path, new { model = "tiny", prompt = "a", max_tokens = 6, temperature = 0, logprobs = 0, return_token_ids = true, ignore_eos = true });
        var choice = answer.GetProperty("choices")[0];
        var logprobs = choice.GetProperty("logprobs");
        Assert.Equal(6, logprobs.GetProperty("tokens").GetArrayLength());
        // The most probable of the tokens has at least the mean probability.
        Assert.All(
            logprobs.GetProperty("token_logprobs").EnumerateArray(),
            logprob => Assert.InRange(logprob.GetDouble(), -Math.Log(ChatModel.Vocabulary), 0));
    }

    [Fact]
    public async Task What_fits_is_the_limit_where_the_request_names_none()
    {
        var (_, answer) = await _server.PostAsync(
            Path, new { model = "tiny", prompt = Enumerable.Repeat(65, ChatModel.Context - 9), ignore_eos = true });
        Assert.Equal(9, Number(answer.GetProperty("usage"), "completion_tokens"));
    }

    [Fact]
    public async Task The_parts_of_a_stream_make_the_whole_answer()
    {
        for (var seed = 0; seed < 12; seed++)
        {
            var body = new Dictionary<string, object>
            {
                ["model"] = "tiny",
                ["prompt"] = "xy",
                ["max_tokens"] = 60,
                ["seed"] = seed,
                ["n"] = 3,
                ["logprobs"] = 0,
                ["temperature"] = 1.5,
                ["return_token_ids"] = true,
                ["stop"] = (string[])["a", "3", "zq", "\u0001\u0002"],
            };
            var (_, whole) = await _server.PostAsync(Path, body);
            body["stream"] = true;
            body["stream_options"] = new { include_usage = true };
            var events = await _server.EventsAsync(Path, body);

            Assert.Equal("[DONE]", events[^1]);
            var parts = events[..^1].Select(data => JsonDocument.Parse(data).RootElement).ToArray();
            Assert.Equal(whole.GetProperty("usage").GetRawText(), parts[^1].GetProperty("usage").GetRawText());
            var ofChoice = parts[..^1].Select(part => part.GetProperty("choices")[0]).ToLookup(choice => Number(choice, "index"));
            foreach (var choice in whole.GetProperty("choices").EnumerateArray())
            {
                var own = ofChoice[Number(choice, "index")].ToArray();
                Assert.Equal(choice.GetProperty("text").GetString(), string.Concat(own.Select(part => part.GetProperty("text").GetString())));
                Assert.Equal(Numbers(choice.GetProperty("token_ids")), own.SelectMany(part => Numbers(part.GetProperty("token_ids"))));
                Assert.Equal(choice.GetProperty("finish_reason").GetString(), own[^1].GetProperty("finish_reason").GetString());
                Assert.All(own[..^1], part => Assert.Equal(JsonValueKind.Null, part.GetProperty("finish_reason").ValueKind));
            }
        }
    }

    [Fact]
    public async Task A_stream_has_a_part_for_every_decode_step()
    {
        var events = await _server.EventsAsync(
            Path, new { model = "tiny", prompt = "xy", max_tokens = 20, stream = true, return_token_ids = true, ignore_eos = true });
        // The last step may come with the one before, and nothing else may be joined for long.
        Assert.InRange(events.Count - 1, 2, 20);
    }

    private static int Number(JsonElement of, string name) => of.GetProperty(name).GetInt32();

    private static int[] Numbers(JsonElement list) => [.. list.EnumerateArray().Select(number => number.GetInt32())];

    /// <summary>One server for all tests.</summary>
    public sealed class Served : IAsyncLifetime
    {
        private readonly TemporaryFolder _folder = new();

        internal TestServer Server { get; private set; } = null!;

        public async Task InitializeAsync() => Server = await TestServer.StartAsync(ChatModel.Write(_folder));

        public async Task DisposeAsync()
        {
            await Server.DisposeAsync();
            _folder.Dispose();
        }
    }
}
