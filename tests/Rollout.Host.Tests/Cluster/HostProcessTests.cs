using Rollout.Host.Tests.Support;
using Xunit;
using Xunit.Abstractions;

namespace Rollout.Host.Tests.Cluster;

/// <summary>
/// Real processes: hosts of the files in config/cluster/, and commands that sample and train with them. What they write
/// is what one process alone writes, whatever happens to the others meanwhile.
/// </summary>
[Collection(ProcessCollection.Name)]
public sealed class HostProcessTests(ITestOutputHelper log) : IAsyncLifetime
{
    /// <summary>The product's own clocks would make each hand-over take seconds.</summary>
    private static readonly string[] Fast =
    [
        "akka.cluster.split-brain-resolver.stable-after=3s", "akka.cluster.seed-node-timeout=1s",
        "cluster.port=0", "akka.cluster.failure-detector.acceptable-heartbeat-pause=2s",
    ];

    private readonly TemporaryFolder _folder = new();
    private readonly List<HostProcess> _hosts = [];

    private string Prompts => _folder.Child("in.jsonl");

    public async Task InitializeAsync() => await File.WriteAllLinesAsync(
        Prompts,
        Enumerable.Range(0, 80).Select(i => $$"""{"id":{{i}},"prompt":"{{i}}+{{(i * 7) % 90}}="}"""));

    public async Task DisposeAsync()
    {
        foreach (var host in _hosts)
        {
            await host.DisposeAsync();
            log.WriteLine($"port {host.Port}:\n{host.Said}\n");
        }
        _folder.Dispose();
    }

    [Fact]
    public async Task Work_that_loses_its_decoders_and_schedulers_ends_with_the_file_of_one_process()
    {
        var expected = await AloneAsync();
        // The first one is the oldest: the scheduler works there until it is killed.
        var scheduler = await StartAsync("scheduler.conf", "cluster.seed-nodes=[]");
        var seed = Seed(scheduler);
        var hosts = await Task.WhenAll(
            StartAsync("scheduler.conf", seed), StartAsync("scheduler.conf", seed),
            StartAsync("decoder.conf", seed), StartAsync("decoder.conf", seed), StartAsync("decoder.conf", seed));
        var (next, third, killed, drained) = (hosts[0], hosts[1], hosts[2], hosts[3]);
        await scheduler.WaitForAsync("6 members: 3 schedulers, 3 decoders");

        var sampling = SampleAsync("disturbed", $"127.0.0.1:{next.Port},127.0.0.1:{third.Port}");
        await third.WaitForAsync("(client) is up");
        await GrowingFile.ReachesAsync(_folder.Path, "disturbed*.part", bytes: 1);
        killed.Kill();
        await next.WaitForAsync($"127.0.0.1:{killed.Port} (decoder) is down");
        Assert.Equal(ExitCodes.Ok, await drained.TerminateAsync());
        Assert.Contains("left the cluster", drained.Said, StringComparison.Ordinal);
        scheduler.Kill();

        Assert.Equal(expected, await sampling);
        Assert.Contains($"127.0.0.1:{scheduler.Port} (scheduler) is down", third.Said, StringComparison.Ordinal);
        Assert.DoesNotContain($"127.0.0.1:{drained.Port} (decoder) is down", third.Said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Training_whose_trainer_is_killed_goes_on_from_its_checkpoint_as_if_nothing_had_been()
    {
        var scheduler = await StartAsync("scheduler.conf", "cluster.seed-nodes=[]");
        await StartAsync("decoder.conf", Seed(scheduler));
        string[] job =
        [
            "train", "--config", RolloutRun.Job("smoke.conf"), "--set", "threads=1", "--set", "decoder.batch-invariant=on",
            "--set", "output.checkpoint-every=1",
        ];
        var (alone, together) = (_folder.Child("alone"), _folder.Child("together"));

        await RunAsync([.. job, "--out", alone]);
        var killed = HostProcess.Run([.. job, "--cluster", $"127.0.0.1:{scheduler.Port}", "--out", together]);
        _hosts.Add(killed);
        await killed.WaitForAsync("checkpoint of step 1");
        killed.Kill();
        await killed.ExitAsync();
        await RunAsync("train", "--resume", together);

        Assert.Equal(Sampled(alone), Sampled(together));
        Assert.Equal(3, TrainRun.Lines(together, "metrics.jsonl").Length);

        static string[] Sampled(string run) => [.. TrainRun.Lines(run, "rollouts.jsonl")
            .Select(line => $"step {line.GetProperty("step")}: {line.GetProperty("token_ids")}")];
    }

    [Fact]
    public async Task A_host_that_does_not_fit_says_why_and_the_cluster_goes_on()
    {
        var scheduler = await StartAsync("scheduler.conf", "cluster.seed-nodes=[]");
        await StartAsync("decoder.conf", Seed(scheduler));
        await scheduler.WaitForAsync("2 members: 1 scheduler, 1 decoder");

        await Task.WhenAll(
            AssertEndsAsync(
                ExitCodes.Failure,
                "has another model or tokenizer than the cluster's decoders",
                HostProcess.Start("decoder.conf", [.. Fast, Seed(scheduler), "model.weights=random"])),
            AssertEndsAsync(
                ExitCodes.BadInput,
                $"rollout.cluster.port = {scheduler.Port}: another process listens at 127.0.0.1:{scheduler.Port}",
                HostProcess.Start("scheduler.conf", [Seed(scheduler), $"cluster.port={scheduler.Port}"])));

        Assert.Equal(await AloneAsync(), await SampleAsync("after", $"127.0.0.1:{scheduler.Port}"));
    }

    private static string Seed(HostProcess host) => $"cluster.seed-nodes=[\"127.0.0.1:{host.Port}\"]";

    private async Task AssertEndsAsync(int code, string sentence, HostProcess host)
    {
        lock (_hosts)
            _hosts.Add(host);
        Assert.Equal(code, await host.ExitAsync());
        Assert.Contains(sentence, host.Said, StringComparison.Ordinal);
    }

    private async Task<HostProcess> StartAsync(string config, params string[] settings)
    {
        var host = await HostProcess.StartAsync(config, [.. Fast, .. settings]);
        lock (_hosts)
            _hosts.Add(host);
        return host;
    }

    private Task<string> AloneAsync() => SampleAsync("alone");

    private Task<string> SampleAsync(string name, string? cluster = null) => Task.Run(async () =>
    {
        var output = _folder.Child($"{name}.jsonl");
        var (code, _, error) = await RolloutRun.RunAsync(
        [
            "generate", "--model", TinyModel.Source, "--prompts", Prompts, "--out", output, "--samples", "8",
            "--max-tokens", "48", "--ignore-eos", "--seed", "5", .. cluster is null ? (string[])[] : ["--cluster", cluster],
        ]);
        Assert.True(code == ExitCodes.Ok, error);
        return await File.ReadAllTextAsync(output);
    });

    private static async Task RunAsync(params string[] arguments)
    {
        var (code, _, error) = await RolloutRun.RunAsync(arguments);
        Assert.True(code == ExitCodes.Ok, error);
    }
}
