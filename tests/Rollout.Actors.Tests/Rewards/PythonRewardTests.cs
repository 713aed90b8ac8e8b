using Rollout.Actors.Rewards;
using Rollout.Actors.Rewards.Programs;
using Rollout.Actors.Settings;
using Xunit;

namespace Rollout.Actors.Tests.Rewards;

/// <summary>Skips where a program is not installed.</summary>
public sealed class ProgramFactAttribute : FactAttribute
{
    public ProgramFactAttribute(params string[] programs) =>
        Skip = Array.Find(programs, program => ProgramLauncher.Find(program) is null) is { } missing
            ? $"{missing} is not installed"
            : null;
}

/// <summary>Functions in Python: unsandboxed where only they matter, and in a sandbox where there is one.</summary>
public sealed class PythonRewardTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [ProgramFact("python3")]
    public async Task A_function_is_called_as_TRL_calls_it()
    {
        using var reward = Create(
            """
            print("loaded")
            def reward(prompts, completions, answer, **fields):
                print("scored")
                return [None if a is None else float(c == a) for c, a in zip(completions, answer)]
            """,
            "sandbox = none");

        Assert.Equal([1.0, 0.0, null], await reward.ScoreAsync([Samples.Of("4", "4"), Samples.Of("5", "4"), Samples.Of("6")], default));
        Assert.Equal([1.0], await reward.ScoreAsync([Samples.Of("4", "4")], default));
    }

    [ProgramFact("python3")]
    public async Task An_exception_of_the_function_is_the_error()
    {
        using var reward = Create("def judge(**all):\n    raise ValueError('no luck')", "sandbox = none, function = judge");
        var wrong = await Assert.ThrowsAsync<InvalidDataException>(async () => await reward.ScoreAsync([Samples.Of("4")], default));
        Assert.Equal("the program ended with code 1 before it answered: ValueError: no luck", wrong.Message);
    }

    [ProgramFact("/usr/bin/python3", "bwrap", "prlimit", "setpriv")]
    public async Task A_sandbox_keeps_a_function_from_network_files_memory_and_processes()
    {
        using var reward = Create(
            """
            import os, socket
            def fails(act):
                try:
                    act()
                    return 0
                except (OSError, MemoryError):
                    return 1
            def forks():
                for i in range(50):
                    if os.fork() == 0:
                        os.pause() if hasattr(os, "pause") else __import__("signal").pause()
            def reward(completions, **fields):
                return [
                    fails(lambda: socket.create_connection(("127.0.0.1", 9), 1)),
                    fails(lambda: open("/tmp/written", "w")),
                    fails(lambda: open("written", "w")),
                    fails(lambda: os.listdir("/root")),
                    fails(lambda: bytearray(1 << 30)),
                    fails(forks),
                    float("HOME_OF_TEST" not in os.environ),
                    float(len([n for n in os.listdir("/proc") if n.isdigit()]) < 60),
                ]
            """,
            "python = /usr/bin/python3, memory = 512MiB, processes = 20");

        Assert.Equal(
            Enumerable.Repeat<double?>(1, 8), await reward.ScoreAsync([.. Enumerable.Repeat(Samples.Of("x"), 8)], default));
    }

    [Fact]
    public void Where_there_is_no_sandbox_a_program_is_refused_unless_the_job_says_none()
    {
        if (ProgramLauncher.Find("bwrap") is not null)
            return;
        var wrong = Assert.Throws<ConfigurationException>(() => RewardRegistryTests.Create("type = program, command = [sh]"));
        Assert.EndsWith(
            "job.conf:2: reward program runs its program in a sandbox: bubblewrap (bwrap) is not installed; sandbox = none runs "
            + "it without one, with all rights of yours",
            wrong.Message);
    }

    [Theory]
    [InlineData("type = python", "reward python needs the option file")]
    [InlineData("type = python, file = nowhere.py", "nowhere.py\": expected a file with a Python function")]
    [InlineData("type = program, command = []", "rewards[0].command = […]: expected the program and its arguments")]
    [InlineData("type = program, command = [no-such-program]", "expected a program that exists (no-such-program)")]
    [InlineData("type = program, command = [sh], sandbox = docker", "rewards[0].sandbox = \"docker\": expected bwrap or none")]
    [InlineData("type = program, command = [sh], memory = 5", "rewards[0].memory = 5: expected a size with its unit")]
    [InlineData("type = program, command = [sh], read-only = [here]", "rewards[0].read-only = […]: expected absolute paths that exist")]
    [InlineData("type = program, command = [sh], sandbox = none, cpu = 3", "expected an option of reward program: batch-size")]
    public void Bad_options_are_refused(string reward, string sentence) => Assert.Contains(
        sentence, Assert.Throws<ConfigurationException>(() => RewardRegistryTests.Create(reward)).Message);

    public void Dispose() => _folder.Dispose();

    private ProgramReward Create(string function, string options)
    {
        // As root, the program in the sandbox is nobody.
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(
                _folder.Path,
                UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
                    | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
        }
        var file = _folder.At("judge.py");
        File.WriteAllText(file, function);
        return (ProgramReward)RewardRegistryTests.Create($"type = python, file = \"{file}\", {options}");
    }
}
