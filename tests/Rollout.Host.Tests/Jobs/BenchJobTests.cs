using System.Text.Json;
using Rollout.Host.Invocation;
using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Jobs;

public sealed class BenchJobTests
{
    [Fact]
    public async Task A_workload_of_few_tokens_is_measured_and_every_one_of_them_counted()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(
            folder.At("w.jsonl"),
            """
            {"id":"a","prompt_ids":[3,4,5],"max_tokens":[2,3]}
            {"id":"b","prompt_ids":[6],"max_tokens":[1]}
            """);

        var (code, output, error) = await RolloutRun.RunAsync(
            "bench", "--model", TinyModel.Save(folder), "--workload", folder.At("w.jsonl"), "--block-size", "4");

        Assert.True(code == ExitCodes.Ok, error);
        var report = JsonSerializer.Deserialize<JsonElement>(output);
        Assert.Equal(6, report.GetProperty("new_tokens").GetInt64());
        Assert.True(report.GetProperty("load_seconds").GetDouble() > 0);
        Assert.True(report.GetProperty("tokens_per_second").GetDouble() > 0);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2, "--lora-rank", "2")]
    public async Task Training_steps_are_measured_and_their_parts_sum_to_the_whole(int rank, params string[] options)
    {
        using var folder = new TemporaryFolder();

        var (code, output, error) = await RolloutRun.RunAsync(
        [
            "bench", "--model", TinyModel.Save(folder), "--train", "--sequences", "4", "--group-size", "2",
            "--prompt-length", "3", "--completion-length", "5", "--micro-batch-tokens", "14", "--steps", "2", .. options,
        ]);

        Assert.True(code == ExitCodes.Ok, error);
        var report = JsonSerializer.Deserialize<JsonElement>(output);
        double Number(string name) => report.GetProperty(name).GetDouble();
        Assert.Equal(32, Number("tokens"));
        Assert.Equal(rank, Number("lora_rank"));
        Assert.Equal((28, 28), (Number("processed_tokens"), Number("computed_tokens")));
        Assert.Equal(14, Number("micro_batch_tokens"));
        Assert.Equal(32 / Number("seconds"), Number("tokens_per_second"), 6);
        string[] parts = ["products", "attention", "head", "elementwise", "optimizer", "host"];
        Assert.All(parts, part => Assert.InRange(Number($"{part}_share"), 0, 1));
        Assert.Equal(1, parts.Sum(part => Number($"{part}_share")), 6);
        Assert.True(Number("peak_device_bytes") > 0);
    }

    [Theory]
    [InlineData(
        "cuda", "activations of the layers", "in all with train.recompute = attention-and-gate",
        "in all with train.recompute = layers")]
    [InlineData("cpu", "the optimizer's two moments", "Not counted is what autograd keeps of a micro-batch.")]
    public async Task A_dry_run_says_what_training_needs_and_trains_nothing(string device, params string[] expected)
    {
        var (_, output, error) = await RolloutRun.RunAsync(
            "bench", "--shape", "qwen3-14m", "--train", "--dry-run", "--device", device);

        Assert.Equal("", error);
        Assert.All(expected, line => Assert.Contains(line, output, StringComparison.Ordinal));
        Assert.DoesNotContain("tokens_per_second", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task All_groups_of_a_measured_step_are_one_update()
    {
        using var folder = new TemporaryFolder();

        var (code, output, error) = await RolloutRun.RunAsync(
            "bench", "--model", TinyModel.Save(folder), "--train", "--sequences", "34", "--group-size", "2",
            "--prompt-length", "2", "--completion-length", "2", "--steps", "1");

        Assert.True(code == ExitCodes.Ok, error);
        Assert.Equal(1, JsonSerializer.Deserialize<JsonElement>(output).GetProperty("optimizer_steps").GetInt32());
    }

    [Fact]
    public async Task Training_beyond_the_models_positions_is_refused()
    {
        using var folder = new TemporaryFolder();

        var (code, _, error) = await RolloutRun.RunAsync(
            "bench", "--model", TinyModel.Save(folder), "--train", "--prompt-length", "100000");

        Assert.Equal(ExitCodes.BadInput, code);
        Assert.Contains("--prompt-length and --completion-length are 101024 tokens together", error, StringComparison.Ordinal);
    }
}
