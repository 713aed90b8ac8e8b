using System.Text.RegularExpressions;
using Rollout.Actors.Settings;
using Rollout.Host.Commands;
using Rollout.Host.Invocation;
using Rollout.Host.Jobs;
using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Commands;

public sealed class CommandLineTests : IDisposable
{
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();
    private object? _called;

    [Fact]
    public async Task Train_reads_its_options_in_any_order_and_its_settings_in_theirs()
    {
        var code = await Run(
            "train", "--set", "train.steps=3", "--out", "runs/a", "--config", "job.conf", "--set", "rewards=[{a=b}]");

        Assert.Equal(0, code);
        var options = Assert.IsType<TrainOptions>(_called);
        Assert.Equal(("job.conf", "runs/a", null), (options.Config, options.Out, options.Resume));
        Assert.Equal(["train.steps=3", "rewards=[{a=b}]"], options.Set);
    }

    [Fact]
    public async Task Without_a_job_training_is_left_to_choose_one()
    {
        await Run("train");

        Assert.Null(Assert.IsType<TrainOptions>(_called).Config);
    }

    [Fact]
    public void The_default_job_is_found_beside_the_program_or_in_a_folder_above()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.At("config"));
        File.WriteAllText(folder.At("config/arithmetic.conf"), "");
        Directory.CreateDirectory(folder.At("bin/deep"));

        Assert.Equal(folder.At("config/arithmetic.conf"), DefaultJob.Find(folder.At("bin/deep")));

        // The one that somebody has edited wins over the one beside the program.
        using var program = new TemporaryFolder();
        Directory.CreateDirectory(program.At("config"));
        File.WriteAllText(program.At("config/arithmetic.conf"), "");
        Assert.Equal(folder.At("config/arithmetic.conf"), DefaultJob.Find(folder.At("bin"), program.Path));
        Assert.Equal(program.At("config/arithmetic.conf"), DefaultJob.Find(Path.GetTempPath(), program.Path));
    }

    [Fact]
    public async Task Who_joins_a_cluster_names_its_members_and_settings()
    {
        await Run("train", "--cluster", "gpu-1:4053,gpu-2:4053", "--set", "train.steps=3");
        Assert.Equal("gpu-1:4053,gpu-2:4053", Assert.IsType<TrainOptions>(_called).Cluster);

        await Run(
            "generate", "--model", "m", "--prompts", "p", "--out", "o", "--cluster", "[::1]:4053", "--config", "c.conf", "--set",
            "cluster.join-timeout=5s");
        var generate = Assert.IsType<GenerateOptions>(_called);
        Assert.Equal(("[::1]:4053", "c.conf"), (generate.Cluster, generate.Config));
        Assert.Equal(["cluster.join-timeout=5s"], generate.Set);

        await Run("host", "--config", "c.conf", "--set", "cluster.port=4054");
        var host = Assert.IsType<HostOptions>(_called);
        Assert.Equal("c.conf", host.Config);
        Assert.Equal(["cluster.port=4054"], host.Set);
        Assert.Null(host.Out);

        await Run("host", "--config", "c.conf", "--out", "run");
        Assert.Equal("run", Assert.IsType<HostOptions>(_called).Out);
    }

    [Fact]
    public async Task Generate_reads_every_option()
    {
        await Run(
            "generate", "--model", "m", "--prompts", "in.jsonl", "--out", "out.jsonl", "--samples", "4", "--max-tokens",
            "7", "--temperature", "0.5", "--top-k", "3", "--top-p", "0.9", "--min-p", "0.1", "--stop", "\n", "--stop",
            "@end", "--seed", "9007199254740993", "--ignore-eos", "--engine", "contiguous", "--device", "cuda:1",
            "--dtype", "bfloat16", "--block-size", "32", "--kv-blocks", "100", "--max-num-seqs", "8");

        var options = Assert.IsType<GenerateOptions>(_called);
        Assert.Equal(["\n", "@end"], options.Stop);
        Assert.Equal(
            new GenerateOptions
            {
                Model = "m",
                Prompts = "in.jsonl",
                Out = "out.jsonl",
                Samples = 4,
                MaxTokens = 7,
                Temperature = 0.5,
                TopK = 3,
                TopP = 0.9,
                MinP = 0.1,
                Stop = options.Stop,
                Set = options.Set,
                Seed = 9007199254740993,
                IgnoreEos = true,
                Engine = new EngineOptions
                {
                    Engine = "contiguous",
                    Device = "cuda:1",
                    Dtype = "bfloat16",
                    BlockSize = 32,
                    KvBlocks = 100,
                    MaxNumSeqs = 8,
                },
            },
            options);
    }

    [Fact]
    public async Task What_is_not_given_is_left_to_the_configuration()
    {
        await Run("bench", "--shape", "qwen3-0.6b", "--workload", "w.jsonl");

        Assert.Equal(
            new BenchOptions { Shape = "qwen3-0.6b", Workload = "w.jsonl", Engine = new EngineOptions() },
            _called);
    }

    [Fact]
    public async Task Training_is_measured_with_the_lengths_given_and_the_defaults_for_the_rest()
    {
        await Run(
            "bench", "--shape", "qwen3-0.6b", "--train", "--sequences", "6", "--group-size", "3", "--prompt-length", "7");

        Assert.Equal(
            new BenchOptions
            {
                Shape = "qwen3-0.6b",
                Train = new TrainBenchOptions { Sequences = 6, GroupSize = 3, PromptLength = 7 },
                Engine = new EngineOptions(),
            },
            _called);
    }

    [Theory]
    [InlineData("rollout train has no option '--confg'; see rollout train --help.", "train", "--confg", "a")]
    [InlineData("rollout has no command 'trian'; see rollout --help.", "trian")]
    [InlineData("rollout has no option '--config'; see rollout --help.", "--config", "a")]
    [InlineData("rollout bench has no argument 'extra'; see rollout bench --help.", "bench", "extra")]
    [InlineData("Option '--config' is required; see rollout pretrain --help.", "pretrain")]
    [InlineData("Required argument missing for option: '--out'; see rollout train --help.", "train", "--out")]
    [InlineData("--out is '', expected a path; see rollout train --help.", "train", "--out", "")]
    [InlineData(
        "--model is '', expected a path; see rollout generate --help.",
        "generate", "--model", "", "--prompts", "p", "--out", "o")]
    [InlineData("--set takes key=value, got 'steps'; see rollout train --help.", "train", "--set", "steps")]
    [InlineData("--set takes key=value, got '=3'; see rollout train --help.", "train", "--set", "=3")]
    [InlineData(
        "Option '--out' expects a single argument but 2 were provided; see rollout train --help.",
        "train", "--out", "a", "--out", "b")]
    [InlineData(
        "bench takes either --model or --shape; see rollout bench --help.",
        "bench", "--workload", "w", "--model", "m", "--shape", "qwen3-8b")]
    [InlineData("bench takes either --model or --shape; see rollout bench --help.", "bench", "--workload", "w")]
    [InlineData("bench takes either --workload or --train; see rollout bench --help.", "bench", "--model", "m")]
    [InlineData(
        "bench takes either --workload or --train; see rollout bench --help.",
        "bench", "--model", "m", "--workload", "w", "--train")]
    [InlineData(
        "--steps needs --train; see rollout bench --help.", "bench", "--model", "m", "--workload", "w", "--steps", "2")]
    [InlineData(
        "--sequences is 10, expected a multiple of --group-size, which is 16; see rollout bench --help.",
        "bench", "--model", "m", "--train", "--sequences", "10")]
    [InlineData(
        "--shape is 'gpt', expected qwen3-14m, qwen3-0.6b, qwen3-1.7b, qwen3-4b or qwen3-8b; see rollout bench --help.",
        "bench", "--workload", "w", "--shape", "gpt")]
    [InlineData(
        "--kv-blocks is '0', expected a whole number from 1 to 2147483647; see rollout bench --help.",
        "bench", "--workload", "w", "--model", "m", "--kv-blocks", "0")]
    [InlineData(
        "--device is 'gpu', expected cpu, cuda or cuda:i; see rollout bench --help.",
        "bench", "--workload", "w", "--model", "m", "--device", "gpu")]
    [InlineData(
        "--top-p is '0', expected a number above 0, at most 1; see rollout generate --help.",
        "generate", "--model", "m", "--prompts", "p", "--out", "o", "--top-p", "0")]
    [InlineData(
        "--min-p is 'NaN', expected a number from 0 to 1; see rollout generate --help.",
        "generate", "--model", "m", "--prompts", "p", "--out", "o", "--min-p", "NaN")]
    [InlineData(
        "--samples is '2000000000', expected a whole number from 1 to 65536; see rollout generate --help.",
        "generate", "--model", "m", "--prompts", "p", "--out", "o", "--samples", "2000000000")]
    [InlineData(
        "--max-tokens is '99999999999', expected a whole number from 1 to 2147483647; see rollout generate --help.",
        "generate", "--model", "m", "--prompts", "p", "--out", "o", "--max-tokens", "99999999999")]
    public async Task A_command_line_that_cannot_be_used_is_one_sentence_and_exit_code_2(
        string sentence, params string[] arguments)
    {
        Assert.Equal(2, await Run(arguments));

        Assert.Equal(sentence, _error.ToString().TrimEnd());
        Assert.Empty(_output.ToString());
        Assert.Null(_called);
    }

    [Theory]
    [InlineData]
    [InlineData("help")]
    [InlineData("--help")]
    [InlineData("help", "bench")]
    [InlineData("bench", "--help")]
    public async Task Help_goes_to_standard_output_and_runs_nothing(params string[] arguments)
    {
        Assert.Equal(0, await Run(arguments));

        Assert.Contains("Usage:", _output.ToString(), StringComparison.Ordinal);
        Assert.Empty(_error.ToString());
        Assert.Null(_called);
    }

    [Theory]
    [MemberData(nameof(CommandNames))]
    public async Task The_help_of_a_command_has_an_example_that_it_takes_and_the_exit_codes(string command)
    {
        await Run("help", command);

        var help = _output.ToString();
        Assert.Contains("  130  ended by Ctrl-C", help, StringComparison.Ordinal);
        var example = Regex.Match(help, $@"Examples:\n  rollout ({command}.*)").Groups[1].Value;
        Assert.Equal(0, await Run(example.Split(' ')));
    }

    public static TheoryData<string> CommandNames => ["train", "pretrain", "sft", "export", "generate", "serve", "bench", "host", "init", "config", "doctor"];

    [Fact]
    public async Task The_help_of_generate_names_the_defaults_that_the_configuration_has()
    {
        var settings = RolloutSettings.From(ConfigTree.Load());
        var sampling = settings.Sampling;

        await Run("help", "generate");

        var help = _output.ToString();
        Assert.All(
            new Dictionary<string, string>
            {
                ["--samples"] = "(default: 1)",
                ["--max-tokens"] = $"(default: as many as fit; with a cluster at most {sampling.MaxTokens})",
                ["--temperature"] = $"(default: the model's, else {sampling.Temperature})",
                ["--top-k"] = $"(default: the model's, else {sampling.TopK})",
                ["--top-p"] = $"(default: the model's, else {sampling.TopP})",
                ["--min-p"] = $"(default: the model's, else {sampling.MinP})",
                ["--seed"] = $"(default: {settings.Seed})",
                ["--max-num-seqs"] = $"(default: {settings.Decoder.MaxNumSeqs}, on a GPU 512)",
                ["--block-size"] = $"(default: {settings.Blocks.BlockSize})",
                ["--device"] = $"(default: {settings.Device})",
            },
            option => Assert.Matches($"{option.Key} .*{Regex.Escape(option.Value)}", help));
    }

    [Fact]
    public async Task A_command_without_a_handler_is_not_part_of_the_program()
    {
        var code = await RolloutProgram.RunAsync(["bench"], new CommandHandlers(), Consoles.NoLive(_output), _error);

        Assert.Equal(2, code);
        Assert.Equal("rollout has no command 'bench'; see rollout --help.", _error.ToString().TrimEnd());
    }

    public void Dispose()
    {
        _output.Dispose();
        _error.Dispose();
    }

    private Task<int> Run(params string[] arguments) => RolloutProgram.RunAsync(
        arguments,
        new CommandHandlers { Train = Note, Pretrain = Note, Sft = Note, Export = Note, Generate = Note, Bench = Note, Host = Note, Serve = Note, Init = Note, Config = Note, Doctor = Note },
        Consoles.NoLive(_output),
        _error);

    private Task<int> Note<T>(T options, CommandContext context)
    {
        _called = options;
        return Task.FromResult(ExitCodes.Ok);
    }
}
