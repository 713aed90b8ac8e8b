using Rollout.Host.Invocation;
using Rollout.Host.Tests.Support;
using Xunit;
using Xunit.Abstractions;

namespace Rollout.Host.Tests.Cluster;

/// <summary>Tests with processes of their own, all of which end with the test, whose log has what they said.</summary>
[Collection(ProcessCollection.Name)]
public abstract class HostProcessTest(ITestOutputHelper log) : IAsyncLifetime
{
    /// <summary>
    /// The product's own clocks would make each hand-over take seconds. Silence alone is no death: a busy machine makes
    /// anybody silent for a while.
    /// </summary>
    internal static readonly string[] Fast =
    [
        "akka.cluster.split-brain-resolver.stable-after=3s", "akka.cluster.seed-node-timeout=1s",
        "cluster.port=0", "akka.cluster.failure-detector.acceptable-heartbeat-pause=10s",
    ];

    /// <summary>For members that are to give up one that is frozen.</summary>
    internal const string Impatient = "akka.cluster.failure-detector.acceptable-heartbeat-pause=2s";

    private readonly TemporaryFolder _folder = new();
    private readonly List<HostProcess> _hosts = [];

    internal TemporaryFolder Folder => _folder;

    /// <summary>Prompts of the job that <see cref="SampleAsync"/> runs.</summary>
    protected virtual int PromptCount => 80;

    private string Prompts => _folder.At("in.jsonl");

    public async Task InitializeAsync() => await File.WriteAllLinesAsync(
        Prompts,
        Enumerable.Range(0, PromptCount).Select(i => $$"""{"id":{{i}},"prompt":"{{i % 90}}+{{(i * 7) % 90}}="}"""));

    public async Task DisposeAsync()
    {
        foreach (var host in _hosts)
        {
            await host.DisposeAsync();
            log.WriteLine($"port {host.Port}:\n{host.Said}\n");
        }
        _folder.Dispose();
    }

    internal static string Seed(params HostProcess[] hosts) =>
        $"cluster.seed-nodes=[{string.Join(", ", hosts.Select(host => $"\"127.0.0.1:{host.Port}\""))}]";

    /// <summary>Ends with the test.</summary>
    internal HostProcess Keep(HostProcess host)
    {
        lock (_hosts)
            _hosts.Add(host);
        return host;
    }

    /// <summary>A member with a short patience.</summary>
    internal async Task<HostProcess> StartAsync(string config, params string[] settings) =>
        Keep(await HostProcess.StartAsync(config, [.. Fast, .. settings]));

    internal async Task AssertEndsAsync(int code, string sentence, HostProcess host)
    {
        Assert.Equal(code, await Keep(host).ExitAsync());
        Assert.Contains(sentence, host.Said, StringComparison.Ordinal);
    }

    /// <summary>What one process alone writes.</summary>
    protected Task<string> AloneAsync() => SampleAsync("alone");

    /// <summary>Runs rollout generate in this process, and gives what it wrote.</summary>
    /// <param name="name">Of its output.</param>
    /// <param name="cluster">Whom to ask; null decodes here.</param>
    protected Task<string> SampleAsync(string name, string? cluster = null) => Task.Run(async () =>
    {
        var (code, _, error) = await RolloutRun.RunAsync(Generate(name, TinyModel.Source, cluster));
        Assert.True(code == ExitCodes.Ok, error);
        return await File.ReadAllTextAsync(_folder.At($"{name}.jsonl"));
    });

    protected string[] Generate(string name, string model, string? cluster) =>
    [
        "generate", "--model", model, "--prompts", Prompts, "--out", _folder.At($"{name}.jsonl"), "--samples", "8",
        "--max-tokens", "48", "--ignore-eos", "--seed", "5", .. cluster is null ? (string[])[] : ["--cluster", cluster],
    ];

    protected static async Task RunAsync(params string[] arguments)
    {
        var (code, _, error) = await RolloutRun.RunAsync(arguments);
        Assert.True(code == ExitCodes.Ok, error);
    }
}
