using System.Text.Json;
using Rollout.Host.Invocation;
using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Jobs;

public sealed class SftJobTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_model_learns_the_answers_of_a_JSONL_file_and_generates_them()
    {
        var model = await LearnedAsync("out");

        var metrics = TrainRun.Lines(_folder.At("out"), "metrics.jsonl");
        Assert.Equal(Enumerable.Range(0, 61), metrics.Select(line => line.GetProperty("step").GetInt32()));
        Assert.Equal(["step", "eval_loss", "eval_mean_token_accuracy"], metrics[0].EnumerateObject().Select(value => value.Name));
        Assert.True(Value(metrics[60], "loss") < 0.1 * Value(metrics[1], "loss"));
        Assert.True(Value(metrics[60], "eval_loss") < 0.1 * Value(metrics[0], "eval_loss"));
        Assert.Equal(1, Value(metrics[60], "mean_token_accuracy"));
        Assert.Equal(60, Value(metrics[60], "epoch"));
        Assert.Equal(60 * (7 + 6 + 5), Value(metrics[60], "num_tokens")); // an answer has an end
        Assert.Equal([20, 40, 60], metrics.Skip(1).Where(line => line.TryGetProperty("eval_loss", out _))
            .Select(line => line.GetProperty("step").GetInt32()));
        Assert.True(Value(metrics[60], "learning_rate") < Value(metrics[10], "learning_rate"));

        var prompts = _folder.At("in.jsonl");
        await File.WriteAllTextAsync(prompts, """{"id": 1, "prompt": "1+2="}""" + "\n");
        var (code, _, error) = await RolloutRun.RunAsync(
            "generate", "--model", model, "--prompts", prompts, "--out", _folder.At("c.jsonl"), "--temperature", "0",
            "--max-tokens", "6");
        Assert.True(code == ExitCodes.Ok, error);
        Assert.Equal("77", TrainRun.Lines(_folder.Path, "c.jsonl")[0].GetProperty("text").GetString());
    }

    [Fact]
    public async Task The_model_is_where_a_training_run_begins()
    {
        var model = await LearnedAsync("out");

        await TrainRun.RunAsync(
            RolloutRun.Job("smoke.conf"), _folder.At("rl"), $"model.path={model}", "train.steps=1", "eval.prompts=2");
    }

    [Fact]
    public async Task A_run_that_is_resumed_equals_one_that_was_not_interrupted()
    {
        string[] options = ["sft.steps=6", "output.checkpoint-every=3", "sft.batch-size=2"];
        var whole = await LearnedAsync("whole", options);
        await LearnedAsync("cut", options);
        Directory.Delete(_folder.At("cut/checkpoints/step-6"), recursive: true);

        var (code, output, error) = await RolloutRun.RunAsync("sft", "--resume", _folder.At("cut"));

        Assert.True(code == ExitCodes.Ok, error);
        Assert.Contains("step 4/6", output, StringComparison.Ordinal);
        Assert.Equal(TrainRun.TimelessMetrics(_folder.At("whole")), TrainRun.TimelessMetrics(_folder.At("cut")));
        foreach (var file in (string[])["model.safetensors", "optimizer.safetensors"])
        {
            Assert.Equal(
                await File.ReadAllBytesAsync(Path.Combine(whole, file)),
                await File.ReadAllBytesAsync(_folder.At($"cut/checkpoints/step-6/{file}")));
        }
    }

    [Fact]
    public async Task A_run_goes_on_with_nothing_but_its_own_data()
    {
        await LearnedAsync("out", "sft.steps=1");

        await AssertRefusedAsync(
            "rollout.sft.batch-size was 3 and is 2", "sft", "--resume", _folder.At("out"), "--set", "sft.batch-size=2");
    }

    [Fact]
    public async Task Examples_that_are_too_long_are_counted_and_left_out_where_that_is_set()
    {
        var (code, _, error) = await SftAsync("out", "sft.max-length=6", "sft.too-long=drop", "sft.steps=2");

        Assert.Equal(ExitCodes.Ok, code);
        Assert.Contains("2 examples are too long and were left out", error, StringComparison.Ordinal); // one of each file
        Assert.Equal(2 * (6 + 5 + 6), Value(TrainRun.Lines(_folder.At("out"), "metrics.jsonl")[2], "num_tokens"), 3.0);
    }

    [Theory]
    [InlineData("t.jsonl:1 has 7 tokens with its answer and end, expected at most 6", "sft.max-length=6")]
    [InlineData("rollout.sft.max-length = 100000: expected at most", "sft.max-length=100000")]
    [InlineData("no training example has at most 2 tokens", "sft.max-length=2", "sft.too-long=drop")]
    [InlineData("has no field \"question\"", "data.jsonl.prompt-field=question")]
    [InlineData("min-learning-rate = 1: expected at most learning-rate", "sft.min-learning-rate=1")]
    [InlineData("rollout.sft.too-long = \"cut\": expected one of refuse, drop", "sft.too-long=cut")]
    [InlineData("rollout.model.path = \"/nowhere\": expected the folder of a model", "model.path=/nowhere")]
    [InlineData("has no answer to learn from: expected the field that answer-field names", "data.type=keyword")]
    public async Task What_can_not_be_learned_is_one_sentence_and_leaves_no_folder(string expected, params string[] options)
    {
        var (code, _, error) = await SftAsync("out", options);

        Assert.Equal(ExitCodes.BadInput, code);
        Assert.Contains(expected, Assert.Single(error.Trim().Split('\n')), StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder.At("out")));
    }

    [Theory]
    [InlineData("""{"prompt": "", "answer": "1"}""", "e.jsonl:1 has an empty prompt")]
    [InlineData("""{"prompt": "1+1="}""", "e.jsonl:1 has no answer to learn from: expected the field that answer-field names")]
    public async Task An_example_without_prompt_or_answer_is_named_with_its_line(string line, string expected)
    {
        await File.WriteAllTextAsync(_folder.At("e.jsonl"), line);

        var (code, _, error) = await SftAsync("out", $"data.jsonl.train={_folder.At("e.jsonl")}");

        Assert.Equal(ExitCodes.BadInput, code);
        Assert.Contains(expected, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("sft takes --config FILE, or --resume DIR to continue a run.", "sft")]
    [InlineData("--resume continues in the run's own folder: leave out --out.", "sft", "--resume", "a", "--out", "b")]
    public Task A_command_line_that_can_not_work_is_refused(string expected, params string[] arguments) =>
        AssertRefusedAsync(expected, arguments);

    private static double Value(JsonElement line, string metric) => line.GetProperty(metric).GetDouble();

    private static async Task AssertRefusedAsync(string expected, params string[] arguments)
    {
        var (code, _, error) = await RolloutRun.RunAsync(arguments);
        Assert.Equal(ExitCodes.BadInput, code);
        Assert.Contains(expected, Assert.Single(error.Trim().Split('\n')), StringComparison.Ordinal);
    }

    /// <summary>Trains random weights to the end, and gives the model's folder.</summary>
    private async Task<string> LearnedAsync(string name, params string[] options)
    {
        var (code, output, error) = await SftAsync(name, options);
        Assert.True(code == ExitCodes.Ok, error);
        return output.Trim().Split('\n')[^1]["model: ".Length..].Trim();
    }

    private async Task<(int Code, string Output, string Error)> SftAsync(string name, params string[] options)
    {
        var data = _folder.At("t.jsonl");
        // With the end, of 7, 6 and 5 tokens.
        await File.WriteAllTextAsync(data, """
            {"prompt": "1+2=", "answer": "77"}
            {"prompt": "3+4=", "answer": 5}
            {"prompt": "5+=", "answer": "6"}
            """);
        var config = _folder.At("sft.conf");
        await File.WriteAllTextAsync(config, $$"""
            rollout {
              model { path = "{{TinyModel.Source}}", weights = random }
              data { type = jsonl, jsonl { train = "t.jsonl", held-out = "t.jsonl" } }
              sft { epochs = 60, batch-size = 3, learning-rate = 1e-2, warmup-steps = 5, lr-schedule = cosine, eval-every = 20 }
            }
            """);
        return await RolloutRun.RunAsync(
            ["sft", "--config", config, "--out", _folder.At(name), .. options.SelectMany(set => (string[])["--set", set])]);
    }
}
