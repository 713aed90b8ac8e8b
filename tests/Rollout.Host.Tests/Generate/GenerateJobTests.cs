using System.Text.Json;
using Rollout.Actors.Text;
using Rollout.Gpu.Models;
using Rollout.Host.Invocation;
using Rollout.Host.Jobs;
using Rollout.Host.Tests.Support;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Host.Tests.Generate;

/// <summary>rollout generate from its arguments to its file, through the real actors.</summary>
public sealed class GenerateJobTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();

    [Fact]
    public async Task One_seed_gives_one_file_whatever_the_batch_the_blocks_and_the_pool()
    {
        var model = TinyModel.Save(_folder);
        Write("""
            {"id":"a","prompt":"1+2="}
            {"id":"b","prompt_ids":[3,4,5,6,7,8,9],"samples":3}
            {"id":"c","prompt":"12+34=","max_tokens":40}
            """);
        string[] other = ["--samples", "8", "--max-tokens", "20", "--top-p", "0.9", "--ignore-eos"];
        string[] sampled = [.. other, "--seed", "5"];

        var expected = await Generate(model, sampled);
        Assert.Equal(19, expected.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Equal(expected, await Generate(model, [.. sampled, "--max-num-seqs", "64", "--block-size", "3"]));
        Assert.Equal(expected, await Generate(model, [.. sampled, "--max-num-seqs", "1", "--block-size", "32"]));
        // 46 tokens at most a sample: one fits, and others are preempted.
        Assert.Equal(expected, await Generate(model, [.. sampled, "--kv-blocks", "13", "--block-size", "4"]));
        Assert.NotEqual(expected, await Generate(model, [.. other, "--seed", "6"]));
    }

    [Fact]
    public async Task A_stop_text_that_spans_tokens_ends_a_sample_at_once_and_is_cut_from_its_text()
    {
        var model = TinyModel.Save(_folder);
        var tokenizer = HuggingFaceTokenizer.Load(model);
        Write("""{"id":"a","prompt":"1+2="}""");
        string[] sampled = ["--samples", "16", "--max-tokens", "40", "--ignore-eos", "--seed", "2"];
        var free = Lines(await Generate(model, sampled));
        var stop = free.Select(Text).First(text => text.Length > 12)[8..11];

        var stopped = Lines(await Generate(model, [.. sampled, "--stop", stop, "--stop", "no such text"]));

        Assert.Contains(stopped, line => Reason(line) == "stop");
        Assert.Contains(stopped, line => Reason(line) == "length");
        foreach (var (before, after) in free.Zip(stopped))
        {
            // The tokens are those of the run without it, up to the first with which the text holds the stop text.
            var all = Tokens(before);
            var length = Enumerable.Range(1, all.Length)
                .FirstOrDefault(n => tokenizer.Decode(all.AsSpan(0, n)).Contains(stop, StringComparison.Ordinal), all.Length);
            Assert.Equal(all[..length], Tokens(after));
            Assert.Equal(length, after.GetProperty("logprobs").GetArrayLength());
            Assert.Equal(StopTextSearch.Cut(tokenizer.Decode(all.AsSpan(0, length)), [stop]), Text(after));
            Assert.DoesNotContain(stop, Text(after), StringComparison.Ordinal);
            Assert.Equal(Text(before).Contains(stop, StringComparison.Ordinal) ? "stop" : "length", Reason(after));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(6)]
    public async Task Sampled_tokens_come_as_often_as_the_model_says_and_with_its_log_probability(int topK)
    {
        const int Samples = 4000;
        const double Temperature = 1.3;
        double[] probabilities = [];
        var model = TinyModel.Save(_folder, loaded => probabilities = NextToken(loaded, [3, 4, 5], Temperature));
        Write("""{"id":"a","prompt_ids":[3,4,5],"max_tokens":1}""");

        var lines = Lines(await Generate(
            model, "--samples", $"{Samples}", "--temperature", $"{Temperature}", "--ignore-eos", "--max-num-seqs", "512",
            "--top-k", $"{topK}"));

        var kept = probabilities.OrderDescending().Take(topK > 0 ? topK : probabilities.Length).ToArray();
        var counts = new int[probabilities.Length];
        foreach (var line in lines)
        {
            var token = Tokens(line).Single();
            counts[token]++;
            Assert.Equal(Math.Log(probabilities[token]), line.GetProperty("logprobs")[0].GetDouble(), 1e-4);
            Assert.Equal(topK > 0, line.TryGetProperty("sampling_logprobs", out var sampling));
            if (topK > 0)
                Assert.Equal(Math.Log(probabilities[token] / kept.Sum()), sampling[0].GetDouble(), 1e-4);
        }
        // Mean and variance of chi² are its degrees of freedom and twice that: five deviations above is no chance.
        var expected = probabilities.Select(p => p >= kept[^1] ? p / kept.Sum() * Samples : 0).ToArray();
        var chiSquare = counts.Zip(expected).Where(pair => pair.Second > 0)
            .Sum(pair => Math.Pow(pair.First - pair.Second, 2) / pair.Second);
        Assert.Equal(Samples, counts.Zip(expected).Where(pair => pair.Second > 0).Sum(pair => pair.First));
        var freedom = kept.Length - 1;
        Assert.InRange(chiSquare, 0, freedom + (5 * Math.Sqrt(2 * freedom)));
        Assert.True(expected.Count(n => n > 5) > 3, "nearly all is one token: nothing was tested");
    }

    [Fact]
    public async Task A_model_without_a_tokenizer_completes_ids_and_writes_no_text()
    {
        var model = TinyModel.Save(_folder, withTokenizer: false);
        Write("""{"id":3,"prompt_ids":[3,4]}""");

        var line = Assert.Single(Lines(await Generate(model, "--max-tokens", "3", "--engine", "contiguous")));

        Assert.Equal(3, line.GetProperty("id").GetInt32());
        Assert.False(line.TryGetProperty("text", out _));
    }

    [Fact]
    public async Task A_group_that_fails_has_lines_that_say_why_and_the_exit_code_is_1()
    {
        var broken = TinyModel.Save(_folder, model =>
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            // Finite weights whose logits are not: a sum of infinities of both signs.
            model.CheckpointTensors().Single(weight => weight.Name == "model.norm.weight").View().fill_(float.MaxValue);
        });
        Write("""{"id":"a","prompt_ids":[3,4],"samples":2,"max_tokens":4}""");

        Assert.Equal(ExitCodes.Failure, await Run(broken));

        var lines = Lines(await File.ReadAllTextAsync(Out));
        Assert.Equal(["error", "error"], lines.Select(Reason));
        Assert.All(lines, line => Assert.Contains("NaN", line.GetProperty("reason").GetString(), StringComparison.Ordinal));
        Assert.StartsWith("1 of 1 prompt failed", _error.ToString().Split('\n')[^2], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_that_was_ended_goes_on_where_it_was_and_gives_the_same_file()
    {
        var model = TinyModel.Save(_folder);
        Write(string.Join('\n', Enumerable.Range(0, 150).Select(i => $$"""{"id":{{i}},"prompt":"{{i}}+2="}""")));
        string[] sampled = ["--samples", "8", "--max-tokens", "40", "--ignore-eos", "--seed", "5"];
        var expected = await Generate(model, sampled);
        File.Delete(Out);
        using var stop = new StopSignal(_ => { }, _ => { });
        var options = new GenerateOptions
        {
            Model = model,
            Prompts = In,
            Out = Out,
            Samples = 8,
            MaxTokens = 40,
            IgnoreEos = true,
            Seed = 5,
            Engine = new EngineOptions(),
        };

        var generating = Task.Run(() =>
            GenerateJob.RunAsync(options, Consoles.Context(_output, _error, stop)));
        await GrowingFile.ReachesAsync(_folder.Path, "*.part", bytes: 2000);
        stop.Press();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => generating);
        Assert.False(File.Exists(Out));
        Assert.Matches("""of 150 prompts are in .*\.part: add --resume to the same command to continue\.""", _error.ToString());

        Assert.Equal(ExitCodes.BadInput, await Run(model, sampled));
        Assert.Equal(expected, await Generate(model, [.. sampled, "--resume"]));
        Assert.Matches("[1-9][0-9]* of 150 prompts are done already", _error.ToString());
        Assert.Equal([_folder.At(".out.jsonl.complete"), In, Out], Directory.EnumerateFiles(_folder.Path).Order());
    }

    [Fact]
    public async Task Resume_of_a_complete_output_says_so_and_touches_nothing()
    {
        var model = TinyModel.Save(_folder);
        Write("""{"id":"a","prompt_ids":[3,4],"samples":2}""");
        string[] sampled = ["--max-tokens", "4", "--seed", "5"];
        await Generate(model, sampled);
        var longAgo = new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        File.SetLastWriteTimeUtc(Out, longAgo);

        await Generate(model, [.. sampled, "--resume"]);
        Assert.Equal(longAgo, File.GetLastWriteTimeUtc(Out));
        Assert.Contains("out.jsonl is complete", _error.ToString(), StringComparison.Ordinal);

        Assert.Equal(ExitCodes.BadInput, await Run(model, [.. sampled[..^1], "6", "--resume"]));
        Assert.Equal(longAgo, File.GetLastWriteTimeUtc(Out));
        await Generate(model, [.. sampled[..^1], "6", "--resume"]);
        Assert.NotEqual(longAgo, File.GetLastWriteTimeUtc(Out));
    }

    [Fact]
    public async Task The_shipped_model_completes_with_every_option_at_its_default()
    {
        Write("""{"prompt":"12+34=","answer":"46"}""");

        var line = Assert.Single(Lines(await Generate(TinyModel.Source)));

        Assert.Equal((1, "46"), (line.GetProperty("id").GetInt32(), line.GetProperty("answer").GetString()));
        Assert.Equal("The output repeats the prompts' other fields: answer.", _error.ToString().TrimEnd());
    }

    [Fact]
    public async Task An_output_that_is_there_is_replaced_only_by_force()
    {
        Write("""{"prompt":"12+34="}""");
        File.WriteAllText(Out, "an evening's work");

        Assert.Equal(ExitCodes.BadInput, await Run(TinyModel.Source));
        Assert.Equal(
            $"'{Out}' is there already: add --force to replace it, or choose another --out.", _error.ToString().TrimEnd());
        Assert.Equal("an evening's work", await File.ReadAllTextAsync(Out));
        Assert.Single(Lines(await Generate(TinyModel.Source)));
    }

    [Fact]
    public async Task The_models_sampling_values_hold_where_the_command_line_names_none()
    {
        var model = TinyModel.Save(_folder);
        Write("""{"prompt":"12+34="}""");
        string[] options = ["--samples", "8", "--max-tokens", "8", "--seed", "3"];
        var expected = await Generate(model, [.. options, "--temperature", "0.6", "--top-k", "4"]);
        var free = await Generate(model, options);
        await File.WriteAllTextAsync(
            Path.Combine(model, "generation_config.json"), """{"temperature":0.6,"top_k":4,"do_sample":true}""");

        Assert.Equal(expected, await Generate(model, options));
        Assert.Equal(
            "Sampling as the model's generation_config.json says, unless options say otherwise: temperature 0.6, top_k 4.",
            _error.ToString().TrimEnd());
        Assert.Equal(free, await Generate(model, [.. options, "--temperature", "1", "--top-k", "0"]));
    }

    [Theory]
    [InlineData("\\n\\n", "the tokenizer's tokens never decode to it")]
    [InlineData("abc", "the tokenizer's tokens never decode to it")]
    [InlineData("<eos>", "the tokenizer's tokens never decode to it")]
    public async Task A_stop_text_that_no_token_spells_is_a_warning(string stop, string why)
    {
        Write("""{"prompt":"12+34="}""");

        await Generate(TinyModel.Source, "--stop", stop, "--stop", "4");

        Assert.Equal($"WARNING --stop '{stop}' ends no sample: {why}", _error.ToString().TrimEnd());
    }

    [Fact]
    public async Task After_ctrl_c_at_the_start_there_is_no_file()
    {
        var model = TinyModel.Save(_folder);
        Write("""{"id":"a","prompt_ids":[3,4],"max_tokens":4}""");
        using var stop = new StopSignal(_ => { }, _ => { });
        stop.Press();
        var options = new GenerateOptions
        {
            Model = model,
            Prompts = In,
            Out = Out,
            Engine = new EngineOptions(),
        };

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            GenerateJob.RunAsync(options, Consoles.Context(_output, _error, stop)));

        Assert.Equal([In], Directory.EnumerateFiles(_folder.Path));
    }

    [Fact]
    public async Task A_job_that_names_no_cluster_is_refused_by_its_own_name()
    {
        Write("""{"id":"a","prompt_ids":[3]}""");
        var job = RolloutRun.Job("smoke.conf");

        Assert.Equal(ExitCodes.BadInput, await Run(TinyModel.Source, "--config", job));

        Assert.StartsWith($"{job} names no cluster", _error.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("reference.conf", _error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}", "in.jsonl:1: has no prompt", new string[0])]
    [InlineData("", "is empty", new string[0])]
    [InlineData("""{"id":"a","prompt_ids":[3]}""", "--stop is '', expected a text", new[] { "--stop", "" })]
    [InlineData("""{"id":"a","prompt_ids":[3]}""", "in.jsonl:1: its prompt has 1 token, and with 64 new ones", new[] { "--max-tokens", "64" })]
    [InlineData("""{"id":"a","prompt_ids":[3]}""", "needs 9 KV blocks of 4 tokens, and there are 8",
        new[] { "--max-tokens", "32", "--block-size", "4", "--kv-blocks", "8" })]
    [InlineData("""{"id":"a","prompt_ids":[3]}""", "--top-p is '2'", new[] { "--top-p", "2" })]
    [InlineData("""{"id":"a","prompt_ids":[3]}""", "no-adapter/adapter_config.json is not there",
        new[] { "--adapter", "no-adapter", "--max-tokens", "2" })]
    [InlineData("""{"id":"a","prompt_ids":[3]}""", "--dtype: rollout.dtype = \"bfloat16\": expected float32", new[] { "--dtype", "bfloat16" })]
    public async Task Bad_input_is_one_sentence_exit_code_2_and_no_file(string prompts, string sentence, string[] options)
    {
        Write(prompts);

        Assert.Equal(ExitCodes.BadInput, await Run(TinyModel.Source, options));

        var said = Assert.Single(_error.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains(sentence, said, StringComparison.Ordinal);
        Assert.Equal([In], Directory.EnumerateFiles(_folder.Path));
    }

    [SharedTheory]
    [MemberData(nameof(Engine.ParityTests.Models), MemberType = typeof(Engine.ParityTests))]
    public async Task Greedy_completions_of_the_golden_prompts_are_those_of_transformers(string fixture)
    {
        var model = _folder.At(fixture);
        Directory.CreateDirectory(model);
        ModelConfigWriter.Write(GoldenCase.Config(fixture), model, ScalarType.Float32);
        File.CreateSymbolicLink(
            Path.Combine(model, "model.safetensors"), TestFiles.Shared($"fixtures/{fixture}/model.safetensors")!);
        var cases = GoldenCase.Read(fixture);
        Write(string.Join('\n', cases.Select((golden, i) =>
            JsonSerializer.Serialize(new { id = i, prompt_ids = golden.Prompt, max_tokens = golden.Greedy.Length }))));

        var lines = Lines(await Generate(model, "--temperature", "0", "--ignore-eos"));

        Assert.Equal(cases.Length, lines.Length);
        foreach (var (golden, line) in cases.Zip(lines))
        {
            golden.AssertEqual(
                Tokens(line), [.. line.GetProperty("logprobs").EnumerateArray().Select(one => one.GetSingle())]);
        }
    }

    [SharedTheory("fixtures/lora-stories260K", "fixtures/lora-tiny-qwen3", "fixtures/lora-base-qwen3", "fixtures/stories260K")]
    [InlineData("lora-stories260K", "stories260K", "paged")]
    [InlineData("lora-tiny-qwen3", "lora-base-qwen3", "paged")]
    [InlineData("lora-tiny-qwen3", "lora-base-qwen3", "contiguous")]
    public async Task Greedy_completions_with_an_adapter_are_those_of_peft(string fixture, string model, string engine)
    {
        var cases = GoldenCase.Read(fixture);
        Write(string.Join('\n', cases.Select((golden, i) =>
            JsonSerializer.Serialize(new { id = i, prompt_ids = golden.Prompt, max_tokens = golden.Greedy.Length }))));

        var lines = Lines(await Generate(
            TestFiles.Shared($"fixtures/{model}")!, "--adapter", TestFiles.Shared($"fixtures/{fixture}")!,
            "--engine", engine, "--temperature", "0", "--ignore-eos"));

        foreach (var (golden, line) in cases.Zip(lines))
        {
            golden.AssertEqual(
                Tokens(line), [.. line.GetProperty("logprobs").EnumerateArray().Select(one => one.GetSingle())]);
        }
    }

    [SharedTheory]
    [InlineData("lora-stories260K", "stories260K")]
    [InlineData("lora-tiny-qwen3", "lora-base-qwen3")]
    public async Task Greedy_completions_of_an_exported_model_are_those_of_peft(string fixture, string model)
    {
        var cases = GoldenCase.Read(fixture);
        Write(string.Join('\n', cases.Select((golden, i) =>
            JsonSerializer.Serialize(new { id = i, prompt_ids = golden.Prompt, max_tokens = golden.Greedy.Length }))));
        string[] export =
        [
            "export", "--model", TestFiles.Shared($"fixtures/{model}")!, "--adapter", TestFiles.Shared($"fixtures/{fixture}")!,
            "--out", _folder.At("merged"),
        ];
        var (code, output, error) = await RolloutRun.RunAsync(export);
        Assert.Equal((0, $"model: {_folder.At("merged")}", ""), (code, output.TrimEnd(), error));

        var lines = Lines(await Generate(_folder.At("merged"), "--temperature", "0", "--ignore-eos"));

        foreach (var (golden, line) in cases.Zip(lines))
        {
            golden.AssertEqual(
                Tokens(line), [.. line.GetProperty("logprobs").EnumerateArray().Select(one => one.GetSingle())]);
        }

        Assert.Equal(ExitCodes.BadInput, (await RolloutRun.RunAsync(export)).Code);
    }

    public void Dispose()
    {
        _folder.Dispose();
        _output.Dispose();
        _error.Dispose();
    }

    private string In => _folder.At("in.jsonl");

    private string Out => _folder.At("out.jsonl");

    private static int[] Tokens(JsonElement line) =>
        [.. line.GetProperty("token_ids").EnumerateArray().Select(id => id.GetInt32())];

    private static string Text(JsonElement line) => line.GetProperty("text").GetString()!;

    private static string Reason(JsonElement line) => line.GetProperty("finish_reason").GetString()!;

    private static JsonElement[] Lines(string file) =>
        [.. file.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonSerializer.Deserialize<JsonElement>(line))];

    /// <summary>[vocab] probabilities of the next token by plain attention.</summary>
    private static double[] NextToken(CausalLm model, long[] prompt, double temperature)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var hidden = model.Hidden(
            tensor(prompt), arange(prompt.Length, ScalarType.Int64), new SdpaAttention(1, prompt.Length));
        var logits = model.Logits(hidden)[prompt.Length - 1].to(ScalarType.Float64);
        return logits.div(temperature).softmax(-1).data<double>().ToArray();
    }

    private void Write(string prompts) => File.WriteAllText(In, prompts);

    private async Task<string> Generate(string model, params string[] options)
    {
        var code = await Run(model, [.. options, "--force"]);
        Assert.True(code == ExitCodes.Ok, _error.ToString());
        return await File.ReadAllTextAsync(Out);
    }

    private Task<int> Run(string model, params string[] options) => RolloutProgram.RunAsync(
        ["generate", "--model", model, "--prompts", In, "--out", Out, .. options],
        RolloutProgram.Commands,
        Consoles.NoLive(_output),
        _error);
}
