using System.Net;
using System.Net.Sockets;
using Rollout.Host.Invocation;
using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Jobs;

/// <summary>What a user may get wrong: one sentence, exit code 2, and nothing written.</summary>
public sealed class BadInputTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("rollout.train.stepz = 3", "job.conf:2:", "stepz")]
    [InlineData("rollout.train.steps = ten", "job.conf:2:", "rollout.train.steps = \"ten\": expected a whole number")]
    [InlineData("rollout.train.steps = 0", "job.conf:2:", "at least 1")]
    [InlineData("rollout { train {", "job.conf:3:1:", "expected '}' for the '{' of line 2")]
    [InlineData("rollout.train.steps = 3 }", "job.conf:2:", "}")]
    [InlineData("rollout.seed = 3 \n rollout.eval.every = ${rollout.eval.every2}", "job.conf:3:", "every2")]
    [InlineData("a = ${a}", "job.conf:2:5:", "${a} leads back to itself")]
    [InlineData("include \"nowhere.conf\"", "job.conf:2:", "nowhere.conf")]
    [InlineData("rollout.blocks { count = 2, block-size = 4 }", "job.conf:2:", "rollout.blocks.count = 2: expected at least")]
    [InlineData("rollout.sampling.max-tokens = 100", "job.conf:2:", "rollout.sampling.max-tokens = 100: expected at most")]
    [InlineData("rollout.device = gpu", "job.conf:2:", "rollout.device = \"gpu\": expected cpu, cuda or cuda:N")]
    [InlineData("rollout.dtype = bfloat16", "job.conf:2:", "rollout.dtype = \"bfloat16\": expected float32")]
    [InlineData("rollout.rewards = [{ type = exactanswer }]", "job.conf:2:", "exact-answer")]
    [InlineData("rollout.rewards = [{ type = keyword, txt = a }]", "job.conf:2:", "text")]
    [InlineData("rollout.model.path = \"/nowhere/at/all\"", "job.conf:2:", "/nowhere/at/all")]
    [InlineData("rollout.blocks.memory = 4000GiB", "job.conf:2:", "rollout.blocks.memory = \"4000GiB\": expected a pool")]
    [InlineData("rollout.threads = 100000", "job.conf:2:", "rollout.threads = 100000: expected a whole number")]
    [InlineData(
        "rollout { output.keep-best = on, data.arithmetic.held-out = 0 }", "job.conf:2:",
        "expected off, as neither data nor eval.sets holds prompts out")]
    [InlineData("rollout.cluster.roles = [decoder]", "job.conf:2:", "all three")]
    [InlineData("rollout.cluster.hostname = no.such.host.invalid", "", "no.such.host.invalid")]
    [InlineData("akka.loglevel = LOUD", "job.conf:2:", "akka.loglevel = \"LOUD\": expected one of OFF, ERROR")]
    [InlineData("rollout.blocks.memory = 32", "job.conf:2:", "rollout.blocks.memory = 32: expected a size with its unit")]
    [InlineData("rollout.rewards = [{ type = a.B, assembly = no.dll }]", "job.conf:2:", "there is no file")]
    public async Task A_wrong_configuration_is_one_sentence_and_leaves_no_folder(
        string line, string place, string expected)
    {
        var job = _folder.At("job.conf");
        await File.WriteAllTextAsync(job, $"include \"{RolloutRun.Job("smoke.conf")}\"\n{line}\n");

        await AssertRefusedAsync(place, expected, "train", "--config", job, "--out", _folder.At("out"));
    }

    [Fact]
    public async Task An_empty_job_file_is_named_and_not_the_reference()
    {
        var job = _folder.At("job.conf");
        await File.WriteAllTextAsync(job, "");

        await AssertRefusedAsync(
            $"{job}: ", "rollout.model.path is not set: expected the folder of a model", "train", "--config", job, "--out",
            _folder.At("out"));
    }

    [Theory]
    [InlineData("train")]
    [InlineData("pretrain")]
    public async Task Data_with_a_token_beyond_the_vocabulary_is_named_with_file_line_and_token(string command)
    {
        var model = CopyModel();
        var tokenizer = Path.Combine(model, "tokenizer.json");
        var text = await File.ReadAllTextAsync(tokenizer);
        await File.WriteAllTextAsync(tokenizer, text.Replace(
            "\"added_tokens\": [", "\"added_tokens\": [{\"id\": 1000, \"content\": \"<far>\"},", StringComparison.Ordinal));
        var data = _folder.At("t.jsonl");
        await File.WriteAllTextAsync(data, """
            {"prompt": "1+1=", "answer": "2"}
            {"prompt": "<far>+1=", "answer": "2"}
            """);

        await AssertRefusedAsync(
            "t.jsonl:2: ", "the token \"<far>\" has the id 1000, but the model's ids end at 15", command, "--config",
            RolloutRun.Job("smoke.conf"), "--set", $"model.path={model}", "--set", "data.type=jsonl", "--set",
            $"data.jsonl.train={data}", "--set", $"data.jsonl.held-out={data}", "--out", _folder.At("out"));
    }

    [Fact]
    public async Task A_GPU_that_cannot_be_used_is_one_sentence_and_leaves_no_folder()
    {
        if (TorchSharp.torch.cuda.is_available())
            return; // nothing is missing here

        var (code, _, error) = await RolloutRun.RunAsync(
            "train", "--config", RolloutRun.Job("smoke.conf"), "--set", "device=cuda", "--out", _folder.At("out"));

        Assert.Equal(ExitCodes.Failure, code);
        Assert.StartsWith("Device cuda ", Assert.Single(error.Trim().Split('\n')), StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder.At("out")));
    }

    [Fact]
    public async Task A_folder_that_holds_a_run_is_not_written_into()
    {
        var run = Directory.CreateDirectory(_folder.At("out")).FullName;
        await File.WriteAllTextAsync(Path.Combine(run, "metrics.jsonl"), "{}\n");

        var (code, _, error) = await RolloutRun.RunAsync(
            "train", "--config", RolloutRun.Job("smoke.conf"), "--out", run);

        Assert.Equal(ExitCodes.BadInput, code);
        Assert.Contains("already holds a run", error, StringComparison.Ordinal);
        Assert.Single(Directory.EnumerateFileSystemEntries(run));
    }

    [Fact]
    public async Task A_damaged_checkpoint_is_named_with_its_file()
    {
        var model = CopyModel();
        var weights = Path.Combine(model, "model.safetensors");
        var bytes = await File.ReadAllBytesAsync(weights);
        await File.WriteAllBytesAsync(weights, bytes[..^100]);

        await AssertRefusedAsync(
            "model.safetensors", "", "train", "--config", RolloutRun.Job("smoke.conf"), "--set", $"model.path={model}",
            "--out", _folder.At("out"));
    }

    [Fact]
    public async Task A_weight_port_that_is_taken_is_one_sentence_with_its_key_and_leaves_no_folder()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        using var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        var (port, other) = (((IPEndPoint)taken.LocalEndpoint).Port, ((IPEndPoint)free.LocalEndpoint).Port);
        free.Stop();

        await AssertRefusedAsync(
            $"rollout.barrier.transfer-port = {port}: weights can't be offered at 127.0.0.1:{port}", "",
            "train", "--config", RolloutRun.Job("smoke.conf"), "--set", $"cluster.port={other}",
            "--set", $"barrier.transfer-port={port}", "--out", _folder.At("out"));
    }

    [Fact]
    public async Task Devices_that_a_process_which_trains_would_not_use_are_refused() => await AssertRefusedAsync(
        "rollout.cluster.devices = […]: expected [] in a process that trains", "", "train", "--config",
        RolloutRun.Job("smoke.conf"), "--set", "cluster.devices=[cpu]", "--out", _folder.At("out"));

    [Theory]
    [InlineData("train", "--config", "/nowhere.conf")]
    [InlineData("train", "--set", "train.steps")]
    [InlineData("train", "--resume", "/nowhere")]
    [InlineData("bench", "--shape", "qwen3-14m", "--workload", "/nowhere.jsonl")]
    [InlineData("pretrain", "--config", "/nowhere.conf")]
    public async Task A_command_line_that_can_not_work_is_one_sentence(params string[] arguments) =>
        await AssertRefusedAsync("", "", arguments);

    [Theory]
    [InlineData("file")]
    [InlineData("file/inside/out")]
    public async Task A_new_model_that_has_no_place_is_refused_before_it_is_trained(string place)
    {
        await File.WriteAllTextAsync(_folder.At("file"), "");

        await AssertRefusedAsync(
            _folder.At(place), "", "pretrain", "--config", RolloutRun.Job("smoke.conf"), "--set", "pretrain.steps=1", "--set",
            "pretrain.eval-every=1", "--out", _folder.At(place));
    }

    [Theory]
    [InlineData("nowhere/report.json", "is not a folder: --json names a file in one.")]
    [InlineData("", "is a folder: --json needs the name of a file.")]
    public async Task A_report_that_has_no_place_is_refused_before_anything_is_measured(string json, string expected)
    {
        var workload = _folder.At("w.jsonl");
        await File.WriteAllTextAsync(workload, """{"prompt_ids":[3],"max_tokens":[1]}""");

        await AssertRefusedAsync(
            "", expected, "bench", "--model", CopyModel(), "--workload", workload, "--json", _folder.At(json));
    }

    private string CopyModel()
    {
        var model = Directory.CreateDirectory(_folder.At("model")).FullName;
        foreach (var file in Directory.EnumerateFiles(Path.Combine(AppContext.BaseDirectory, "models", "arithmetic")))
            File.Copy(file, Path.Combine(model, Path.GetFileName(file)));
        return model;
    }

    private async Task AssertRefusedAsync(string place, string expected, params string[] arguments)
    {
        var (code, output, error) = await RolloutRun.RunAsync(arguments);

        Assert.Equal((ExitCodes.BadInput, ""), (code, output));
        var sentence = Assert.Single(error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains(place, sentence, StringComparison.Ordinal);
        Assert.Contains(expected, sentence, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder.At("out")), "something was written");
    }
}
