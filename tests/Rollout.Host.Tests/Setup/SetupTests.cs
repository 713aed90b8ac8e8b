using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Rollout.Actors.Settings;
using Rollout.Host.Invocation;
using Rollout.Host.Setup;
using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Setup;

/// <summary>The commands around a job file: init, config, doctor and completion.</summary>
public sealed class SetupTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_job_that_init_wrote_trains_once_model_and_data_are_there()
    {
        var job = _folder.At("job.conf");
        Assert.Equal(ExitCodes.Ok, (await RolloutRun.RunAsync("init", job)).Code);
        foreach (var name in (string[])["train", "held-out"])
            File.WriteAllText(_folder.At($"{name}.jsonl"), """{"question":"1+2=","answer":"3"}""");

        var (code, output, error) = await RolloutRun.RunAsync(
            "train", "--config", job, "--out", _folder.At("run"), "--set", $"model.path={TinyModel.Source}",
            "--set", "sampling.max-tokens=6", "--set", "train.steps=1");

        Assert.True(code == ExitCodes.Ok, error);
        Assert.Contains("step 1/1", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Init_replaces_a_file_only_by_force()
    {
        var job = _folder.At("job.conf");
        File.WriteAllText(job, "mine");

        var (code, _, error) = await RolloutRun.RunAsync("init", job);
        Assert.Equal(ExitCodes.BadInput, code);
        Assert.Equal($"'{job}' is there already: add --force to replace it, or name another file.", error.TrimEnd());
        Assert.Equal("mine", File.ReadAllText(job));

        Assert.Equal(ExitCodes.Ok, (await RolloutRun.RunAsync("init", job, "--force")).Code);
        Assert.Contains("model.path", File.ReadAllText(job).Replace("model { path", "model.path"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Config_prints_where_each_value_comes_from_and_is_a_job_itself()
    {
        var job = _folder.At("job.conf");
        File.WriteAllText(job, "rollout {\n  train { steps = 7 }\n}\n");

        var (code, output, _) = await RolloutRun.RunAsync("config", "--config", job, "--set", "seed=9");

        Assert.Equal(ExitCodes.Ok, code);
        Assert.Matches($"rollout.train.steps = 7 +# {job}:2\n", output);
        Assert.Matches("rollout.seed = 9 +# --set\n", output);
        Assert.Matches("rollout.engine = paged +# default\n", output);
        File.WriteAllText(_folder.At("printed.conf"), output);
        Assert.Equal(
            ConfigTree.Load(job, ["seed=9"]).Render(), ConfigTree.Load(_folder.At("printed.conf")).Render());
    }

    [Fact]
    public async Task Config_for_scripts_is_a_JSON_object_a_key()
    {
        var job = _folder.At("job.conf");
        File.WriteAllText(job, "rollout {\n  train { steps = 7 }\n}\n");

        var (_, output, _) = await RolloutRun.RunAsync("config", "--config", job, "--changed", "--json");

        var entry = JsonSerializer.Deserialize<JsonElement>(output);
        Assert.Equal(
            ("rollout.train.steps", "7", $"{job}:2", false),
            (entry.GetProperty("key").GetString(), entry.GetProperty("value").GetString(),
                entry.GetProperty("origin").GetString(), entry.GetProperty("is_default").GetBoolean()));
    }

    [Fact]
    public async Task Doctor_says_a_line_for_each_thing_that_a_run_needs()
    {
        var (_, output, _) = await RolloutRun.RunAsync("doctor");

        var names = output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line[6..23].TrimEnd());
        Assert.Equal(["program", "libtorch", "driver", "nvrtc", "cublaslt", "libtorch for cuda", "disk", "clock"], names);
        Assert.Matches(@"ok    libtorch           \d+\.\d+", output);
    }

    [Fact]
    public async Task Doctor_fails_where_a_port_is_taken_and_says_which_setting_moves_it()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var port = ((IPEndPoint)other.LocalEndpoint).Port;

        var (code, output, _) = await RolloutRun.RunAsync(
            "doctor", "--config", RolloutRun.Job("smoke.conf"), "--set", $"cluster.port={port}", "--set", "serve.port=0", "--json");

        Assert.Equal(ExitCodes.Failure, code);
        var failed = output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonSerializer.Deserialize<JsonElement>(line))
            .Single(check => check.GetProperty("name").GetString() == "cluster.port");
        Assert.Equal("fail", failed.GetProperty("status").GetString());
        Assert.EndsWith("choose another with --set cluster.port=N", failed.GetProperty("said").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_full_disk_and_a_clock_that_was_never_set_are_failures()
    {
        Assert.Equal(Check.Fail, MachineChecks.DiskCheck(1_000_000).Status);
        Assert.Equal(Check.Ok, MachineChecks.DiskCheck(1L << 40).Status);
        var built = new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        Assert.Equal(Check.Fail, MachineChecks.ClockCheck(DateTimeOffset.UnixEpoch, built).Status);
        Assert.Equal(Check.Ok, MachineChecks.ClockCheck(new DateTimeOffset(built).AddDays(1), built).Status);
    }

    [Theory]
    [InlineData("gen", "generate")]
    [InlineData("train --re", "--resume")]
    [InlineData("bench --shape qwen3-1", "qwen3-14m")]
    public async Task A_shell_completes_commands_options_and_values(string line, string completion)
    {
        var (code, output, _) = await RolloutRun.RunAsync($"[suggest:{line.Length}]", line);

        Assert.Equal(ExitCodes.Ok, code);
        Assert.Contains(completion, output.Split('\n', StringSplitOptions.TrimEntries));
    }

    [Theory]
    [InlineData("bash")]
    [InlineData("zsh")]
    [InlineData("fish")]
    public async Task Each_shell_has_a_script(string shell)
    {
        var (code, output, _) = await RolloutRun.RunAsync("completion", shell);

        Assert.Equal(ExitCodes.Ok, code);
        Assert.Contains("[suggest:", output, StringComparison.Ordinal);
    }
}
