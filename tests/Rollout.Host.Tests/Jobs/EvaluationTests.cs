using System.Text.Json;
using Rollout.Host.Invocation;
using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Jobs;

/// <summary>Evaluation end to end: several sets, samples at a temperature, and what a run writes of them.</summary>
public sealed class EvaluationTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task An_evaluated_run_learns_what_it_learns_without_evaluation()
    {
        await TrainRun.RunAsync(RolloutRun.Job("smoke.conf"), _folder.At("off"), Data());
        await TrainRun.RunAsync(
            RolloutRun.Job("smoke.conf"), _folder.At("on"),
            [.. Data(), $"data.jsonl.held-out={Problems("held-out", 5)}", "eval.every=1", "eval.samples=3", .. Sets]);

        Assert.Equal(TrainRun.TimelessMetrics(_folder.At("off")), Training(_folder.At("on")));
        foreach (var file in (string[])["rollouts.jsonl", "checkpoints/step-3/model.safetensors", "checkpoints/step-3/optimizer.safetensors"])
        {
            Assert.True(
                File.ReadAllBytes(_folder.At($"off/{file}")).AsSpan().SequenceEqual(File.ReadAllBytes(_folder.At($"on/{file}"))), file);
        }
        Assert.Empty(File.ReadAllText(_folder.At("off/eval.jsonl")));
    }

    [Fact]
    public async Task Every_completion_is_in_eval_jsonl_and_agrees_with_the_metrics()
    {
        await TrainRun.RunAsync(
            RolloutRun.Job("smoke.conf"), _folder.At("run"),
            [
                .. Data(), $"data.jsonl.held-out={Problems("held-out", 5)}", "eval.prompts=4", "eval.every=2", "eval.samples=3",
                "eval.pass-at=[1, 2, 3]", .. Sets,
            ]);

        var lines = TrainRun.Lines(_folder.At("run"), "eval.jsonl");
        var metrics = TrainRun.Lines(_folder.At("run"), "metrics.jsonl").ToDictionary(line => line.GetProperty("step").GetInt32());
        Assert.Equal(
            from step in (int[])[0, 2, 3]
            from set in (string[])["held-out", "large"]
            from prompt in Enumerable.Range(0, set == "large" ? 3 : 4)
            from sample in Enumerable.Range(0, 4)
            select (step, set, sample),
            lines.Select(line => (
                line.GetProperty("step").GetInt32(), line.GetProperty("set").GetString()!, line.GetProperty("sample").GetInt32())));
        Assert.All(lines, line =>
        {
            Assert.Equal(line.GetProperty("step").GetInt32(), line.GetProperty("policy_version").GetInt32());
            var reward = line.GetProperty("reward").GetDouble();
            Assert.Equal(reward, line.GetProperty("rewards").GetProperty("exact-answer").GetDouble());
            Assert.Equal(reward >= 1, line.GetProperty("right").GetBoolean());
            Assert.EndsWith("=", line.GetProperty("prompt").GetString(), StringComparison.Ordinal);
            Assert.Matches(@"^(held-out|large)\.jsonl:\d+$", line.GetProperty("id").GetString());
            Assert.Equal(JsonValueKind.String, line.GetProperty("text").ValueKind);
        });
        foreach (var evaluation in lines.GroupBy(line => (line.GetProperty("step").GetInt32(), line.GetProperty("set").GetString())))
        {
            var (step, set) = evaluation.Key;
            var prefix = set == "large" ? "eval_large_" : "eval_";
            double Metric(string name) => metrics[step].GetProperty(prefix + name).GetDouble();
            Assert.Equal(Right(evaluation.Where(IsGreedy)), Metric("accuracy"), 12);
            Assert.Equal(Right(evaluation.Where(line => !IsGreedy(line))), Metric("mean@3"), 12);
            Assert.Equal(Metric("mean@3"), Metric("pass@1"), 12);
            Assert.InRange(Metric("pass@2"), Metric("pass@1") - 1e-12, Metric("pass@3") + 1e-12);
        }
        Assert.False(metrics[1].TryGetProperty("eval_accuracy", out _));

        static bool IsGreedy(JsonElement line) => line.GetProperty("sample").GetInt32() == 0;
        static double Right(IEnumerable<JsonElement> lines) => lines.Average(line => line.GetProperty("right").GetBoolean() ? 1.0 : 0);
    }

    [Fact]
    public async Task Without_held_out_data_the_first_set_of_the_list_is_the_one_that_counts()
    {
        await TrainRun.RunAsync(RolloutRun.Job("smoke.conf"), _folder.At("run"), [.. Data(), .. Sets]);

        var start = TrainRun.Lines(_folder.At("run"), "metrics.jsonl")[0];
        Assert.Equal(["step", "eval_accuracy"], start.EnumerateObject().Select(property => property.Name));
        Assert.All(TrainRun.Lines(_folder.At("run"), "eval.jsonl"), line => Assert.Equal("large", line.GetProperty("set").GetString()));
    }

    [Theory]
    [InlineData("eval.sets=[{ type = keyword }]", "rollout.eval.sets[0]: keyword holds out no prompt")]
    [InlineData("eval.sets=[{ type = jsonl, held-out = nowhere.jsonl }]", "nowhere.jsonl")]
    [InlineData("eval.pass-at=[9]", "rollout.eval.pass-at = […]: expected numbers of at most 0, not 9, as rollout.eval.samples is 0")]
    public async Task A_set_that_cannot_be_evaluated_is_one_sentence_and_leaves_no_folder(string setting, string complaint)
    {
        var (code, _, error) = await RolloutRun.RunAsync(
            "train", "--config", RolloutRun.Job("smoke.conf"), "--out", _folder.At("run"), "--set", setting);

        Assert.Equal(ExitCodes.BadInput, code);
        Assert.Contains(complaint, error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder.At("run")));
    }

    private string[] Sets => [$$"""eval.sets=[{ type = jsonl, name = large, held-out = "{{Problems("large", 3)}}" }]"""];

    private string[] Data() =>
        ["threads=1", "train.lr-schedule=constant", "data.type=jsonl", $"data.jsonl.train={Problems("train", 40)}"];

    /// <summary>A file of additions.</summary>
    private string Problems(string name, int count)
    {
        var path = _folder.At($"{name}.jsonl");
        File.WriteAllLines(path, Enumerable.Range(0, count).Select(
            i => $$"""{"prompt": "{{i}}+{{i % 7}}=", "answer": "{{i + (i % 7)}}"}"""));
        return path;
    }

    /// <summary>The metrics of training: those of evaluations are left out.</summary>
    private static string[] Training(string run) =>
        [.. TrainRun.TimelessMetrics(run).Skip(1).Select(line => string.Join(
            ", ", line.Split(", ").Where(metric => !metric.StartsWith("\"eval_", StringComparison.Ordinal))))];
}
