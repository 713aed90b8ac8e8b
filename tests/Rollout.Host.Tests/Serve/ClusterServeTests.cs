using System.Net;
using System.Text.RegularExpressions;
using Rollout.Actors.Settings;
using Rollout.Host.Invocation;
using Rollout.Host.Jobs;
using Rollout.Host.Serve;
using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Serve;

/// <summary>A server whose samples come from a cluster: a scheduler with a decoder, in this process too.</summary>
public sealed partial class ClusterServeTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public async Task A_server_of_a_cluster_gives_the_answers_of_one_that_samples_itself()
    {
        var model = ChatModel.Write(_folder);
        object body = new { model = "tiny", prompt = "Hello", n = 3, seed = 5, max_tokens = 20, logprobs = 0, ignore_eos = true };
        await using var alone = await TestServer.StartAsync(model);
        var (_, expected) = await alone.PostAsync("/v1/completions", body);

        using var stop = new StopSignal(_ => { }, _ => { });
        using var ready = new ReadyWriter();
        var host = HostJob.RunAsync(
            new HostOptions(
                RolloutRun.Job("cluster/decoder.conf"),
                ["cluster.roles=[scheduler,decoder]", "cluster.seed-nodes=[]", $"model.path={model}", "model.weights=random", "decoder.max-model-len=0"],
                Out: null),
            Consoles.Context(ready, TextWriter.Null, stop));
        var address = await ready.Address.WaitAsync(TimeSpan.FromMinutes(1));
        var options = new ServeOptions
        {
            Model = model,
            Port = 0,
            Engine = new EngineOptions(),
            Cluster = address,
            Set = ["serve.model-name=tiny", "model.weights=random"],
        };
        await using (var server = await RunningServer.StartAsync(options, Consoles.Context(TextWriter.Null)))
        {
            await using var served = new TestServer(server, new StringWriter());
            var (status, answer) = await served.PostAsync("/v1/completions", body);
            Assert.Equal(HttpStatusCode.OK, status);
            Assert.Equal(expected.GetProperty("choices").GetRawText(), answer.GetProperty("choices").GetRawText());
            var events = await served.EventsAsync("/v1/completions", new { model = "tiny", prompt = "a", max_tokens = 9, stream = true });
            Assert.Equal("[DONE]", events[^1]);
        }
        stop.Press();
        Assert.Equal(ExitCodes.Ok, await host);
    }

    [Fact]
    public async Task With_a_cluster_neither_the_engine_nor_the_weights_are_the_servers()
    {
        var options = new ServeOptions
        {
            Model = ChatModel.Write(_folder),
            Port = 0,
            Engine = new EngineOptions { KvBlocks = 9 },
            Cluster = "127.0.0.1:1",
        };
        var context = Consoles.Context(TextWriter.Null);
        await Assert.ThrowsAsync<CommandLineException>(() => RunningServer.StartAsync(options, context));
        var weights = await Assert.ThrowsAsync<ConfigurationException>(() => RunningServer.StartAsync(
            options with { Engine = new EngineOptions(), Set = [$"serve.weights-folder={_folder.Path}"] }, context));
        Assert.Contains("serve.weights-folder", weights.Message);
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>Standard output of a host, which says its address when it is ready.</summary>
    private sealed partial class ReadyWriter : StringWriter
    {
        private readonly TaskCompletionSource<string> _address = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<string> Address => _address.Task;

        public override void Write(string? value)
        {
            base.Write(value);
            if (Ready().Match(ToString()) is { Success: true } ready)
                _address.TrySetResult(ready.Groups[1].Value);
        }

        [GeneratedRegex(@"READY port=\d+ address=(\S+) ")]
        private static partial Regex Ready();
    }
}
