using System.ClientModel;
using System.ClientModel.Primitives;
using OpenAI;
using OpenAI.Chat;
using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Serve;

/// <summary>The official client for .NET against a server.</summary>
public sealed class OpenAIClientTests : IAsyncLifetime
{
    private static readonly ChatMessage[] Conversation =
        [new SystemChatMessage("Be brief."), new UserChatMessage("What is 1+2?"), new AssistantChatMessage("3"), new UserChatMessage("Sure?")];

    private readonly TemporaryFolder _folder = new();
    private TestServer _server = null!;
    private OpenAIClient _client = null!;

    public async Task InitializeAsync()
    {
        _server = await TestServer.StartAsync(ChatModel.Write(_folder));
        _client = new OpenAIClient(
            new ApiKeyCredential("any"), new OpenAIClientOptions { Endpoint = new Uri(_server.Address, "v1"), RetryPolicy = new ClientRetryPolicy(0) });
    }

    public async Task DisposeAsync()
    {
        await _server.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task It_completes_a_conversation_whole_and_as_a_stream_with_the_same_text()
    {
        var chat = _client.GetChatClient("tiny");
        ChatCompletionOptions options = new()
        {
            MaxOutputTokenCount = 40,
            Temperature = 1.2f,
            TopP = 0.95f,
            IncludeLogProbabilities = true,
            StopSequences = { "a\u0001" },
        };
#pragma warning disable OPENAI001 // the seed is marked as experimental there
        options.Seed = 3;
#pragma warning restore OPENAI001
        ChatCompletion whole = await chat.CompleteChatAsync(Conversation, options);

        var (text, reason, tokens, logprobs) = ("", (ChatFinishReason?)null, 0, 0);
        await foreach (var part in chat.CompleteChatStreamingAsync(Conversation, options))
        {
            text += string.Concat(part.ContentUpdate.Select(content => content.Text));
            reason ??= part.FinishReason;
            tokens += part.Usage?.OutputTokenCount ?? 0;
            logprobs += part.ContentTokenLogProbabilities.Count;
        }

        Assert.Equal(ChatMessageRole.Assistant, whole.Role);
        Assert.Equal(whole.Content[0].Text, text);
        Assert.Equal(whole.FinishReason, reason);
        Assert.Equal(whole.Usage.OutputTokenCount, tokens);
        Assert.Equal(whole.Usage.OutputTokenCount, whole.ContentTokenLogProbabilities.Count);
        Assert.Equal(tokens, logprobs);
        Assert.Equal("tiny", whole.Model);
    }

    [Fact]
    public async Task It_lists_the_model()
    {
        var models = (await _client.GetOpenAIModelClient().GetModelsAsync()).Value;
        Assert.Equal(["tiny"], models.Select(model => model.Id));
        Assert.Equal("tiny", (await _client.GetOpenAIModelClient().GetModelAsync("tiny")).Value.Id);
    }

    [Fact]
    public async Task It_shows_what_is_wrong()
    {
        var failed = await Assert.ThrowsAsync<ClientResultException>(
            () => _client.GetChatClient("gpt-4").CompleteChatAsync(Conversation));
        Assert.Equal(404, failed.Status);
        Assert.Contains("model_not_found", failed.Message);
    }
}
