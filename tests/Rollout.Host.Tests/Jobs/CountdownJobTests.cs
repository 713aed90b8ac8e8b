using System.Text.Json.Nodes;
using Rollout.Host.Invocation;
using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Jobs;

/// <summary>config/countdown.conf on the CPU, with a model of a tiny shape.</summary>
public sealed class CountdownJobTests
{
    private static readonly string Job = RolloutRun.Job("countdown.conf");

    private static readonly string[] Small =
    [
        "device=cpu", "dtype=float32", "data.countdown.held-out=3", "blocks.memory=4MiB", "decoder.max-num-seqs=8",
        "decoder.max-num-batched-tokens=64",
    ];

    [Fact]
    public async Task A_model_is_pretrained_and_trained_with_mini_batches()
    {
        using var folder = new TemporaryFolder();
        string[] pretrain =
        [
            .. Small, $"model.path={TinyShape(folder)}", "pretrain.steps=2", "pretrain.batch-size=4", "pretrain.eval-every=2",
        ];
        var (code, said, error) = await RolloutRun.RunAsync(
            ["pretrain", "--config", Job, "--out", folder.At("base"), .. pretrain.SelectMany(set => (string[])["--set", set])]);
        Assert.True(code == ExitCodes.Ok, error);
        Assert.Matches(@"step 2  loss \d\.\d+  held-out accuracy 0\.0 %, of tokens \d+\.\d %", said);

        // A model that has learnt so little is never right: lengths and digits tell its samples apart.
        await TrainRun.RunAsync(
            Job,
            folder.At("run"),
            [
                .. Small,
                $"model.path={folder.At("base")}",
                """rewards=[{ type = countdown }, { type = format, weight = 0.1, pattern = "[0-4]" }, { type = length, target = 9 }]""",
                "sampling.max-tokens=8",
                "train.steps=2",
                "train.prompts-per-step=4",
                "train.mini-batch-prompts=2",
                "train.num-generations=4",
                "train.learning-rate=0.01",
                "train.warmup-steps=0",
                "output.rollouts-per-step=0",
            ]);

        var rollouts = TrainRun.Lines(folder.At("run"), "rollouts.jsonl");
        Assert.Equal(32, rollouts.Length);
        Assert.All(rollouts, rollout => Assert.Matches(@"^\d+ \d+ \d+( \d+)? = \d+\n$", rollout.GetProperty("prompt").GetString()));
        var steps = TrainRun.Lines(folder.At("run"), "metrics.jsonl").Skip(1).ToArray();
        Assert.Equal([2, 2], steps.Select(step => step.GetProperty("updates/made").GetInt32()));
    }

    /// <summary>The job's tokenizer, and its shape made small.</summary>
    private static string TinyShape(TemporaryFolder folder)
    {
        var source = TestFiles.Repository("models/countdown");
        var model = Directory.CreateDirectory(folder.At("shape")).FullName;
        foreach (var file in Directory.EnumerateFiles(source))
            File.Copy(file, Path.Combine(model, Path.GetFileName(file)));
        var shape = JsonNode.Parse(File.ReadAllText(Path.Combine(source, "config.json")))!;
        foreach (var (key, value) in (ReadOnlySpan<(string, int)>)
            [("hidden_size", 32), ("intermediate_size", 64), ("num_hidden_layers", 2), ("head_dim", 8)])
        {
            shape[key] = value;
        }
        File.WriteAllText(Path.Combine(model, "config.json"), shape.ToJsonString());
        return model;
    }
}
