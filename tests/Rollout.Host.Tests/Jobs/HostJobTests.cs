using Rollout.Host.Invocation;
using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Jobs;

/// <summary>What a member of a cluster refuses before it joins anything.</summary>
public sealed class HostJobTests
{
    [Theory]
    [InlineData("rollout.cluster.roles = […]: expected what this host does", "cluster.roles=[]")]
    [InlineData("rollout.cluster.roles = […]: expected a list of scheduler, decoder or trainer", "cluster.roles=[client]")]
    [InlineData("rollout.cluster.hostname = 0.0.0.0: expected 127.0.0.1 or another loopback address", "cluster.hostname=0.0.0.0")]
    [InlineData("rollout.cluster.tls.certificate is not set: expected a PKCS #12 file", "cluster.tls.enabled=on")]
    [InlineData("rollout.cluster.seed-nodes = […]: expected a list of \"host:port\", and 'here' is none", "cluster.seed-nodes=[here]")]
    [InlineData("rollout.model.path = \"/nowhere\": expected the folder of a model", "model.path=/nowhere")]
    [InlineData("rollout.blocks.count = 2: expected room for one sequence of decoder.max-model-len, 64 tokens or 4 blocks, and the pool has 2",
        "blocks.count=2")]
    public async Task A_host_that_can_not_work_is_one_sentence_and_exit_code_2(string sentence, string setting) => await AssertRefusedAsync(
        sentence, "host", "--config", RolloutRun.Job("cluster/decoder.conf"), "--set", setting);

    [Fact]
    public async Task A_folder_for_the_run_of_a_host_that_does_not_train_is_refused_and_not_made()
    {
        using var folder = new TemporaryFolder();

        await AssertRefusedAsync(
            "--out is the folder of a training run: leave it out where rollout.cluster.roles has no trainer.",
            "host", "--config", RolloutRun.Job("cluster/decoder.conf"), "--out", folder.At("run"));

        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }

    [Fact]
    public async Task An_address_that_nobody_answers_at_is_one_sentence_for_who_samples_and_who_trains()
    {
        const string Sentence = "nobody answers at rollout.cluster.seed-nodes: 127.0.0.1:1 (ConnectionRefused)";
        using var folder = new TemporaryFolder();
        var prompts = folder.At("in.jsonl");
        await File.WriteAllTextAsync(prompts, """{"id":1,"prompt":"1+1="}""");
        string[] generate =
        [
            "generate", "--model", TinyModel.Source, "--prompts", prompts, "--out", folder.At("out.jsonl"), "--max-tokens", "8",
        ];

        await AssertRefusedAsync(Sentence, [.. generate, "--cluster", "127.0.0.1:1"]);
        await AssertRefusedAsync(
            Sentence, "train", "--config", RolloutRun.Job("smoke.conf"), "--cluster", "127.0.0.1:1", "--out", folder.At("out"));
        await AssertRefusedAsync("are settings of the decoders", [.. generate, "--cluster", "127.0.0.1:1", "--kv-blocks", "9"]);
        await AssertRefusedAsync("name one by --cluster or --config", [.. generate, "--set", "cluster.port=1"]);
        await AssertRefusedAsync("expected host:port", [.. generate, "--cluster", "here"]);

        Assert.Equal([prompts], Directory.EnumerateFileSystemEntries(folder.Path));
    }

    private static async Task AssertRefusedAsync(string sentence, params string[] arguments)
    {
        var (code, output, error) = await RolloutRun.RunAsync(arguments);

        Assert.Equal((ExitCodes.BadInput, ""), (code, output));
        var lines = error.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Contains(sentence, lines[^1], StringComparison.Ordinal);
        Assert.DoesNotContain(lines[..^1], line => !line.Contains(" joining the cluster of "));
    }
}
