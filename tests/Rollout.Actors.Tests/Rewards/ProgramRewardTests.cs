using Rollout.Actors.Rewards;
using Rollout.Actors.Rewards.Programs;
using Xunit;

namespace Rollout.Actors.Tests.Rewards;

/// <summary>The runner of programs, with shell scripts outside of a sandbox.</summary>
public sealed class ProgramRewardTests
{
    private static readonly ScoredSample[] Two = [Samples.Of("four"), Samples.Of("five")];

    [Fact]
    public async Task A_program_answers_line_by_line_and_is_kept()
    {
        using var reward = Shell("""n=0; while read line; do n=$((n+1)); echo "{\"rewards\": [$n, null]}"; done""");

        Assert.Equal([1.0, null], await reward.ScoreAsync(Two, default));
        Assert.Equal([2.0, null], await reward.ScoreAsync(Two, default));
    }

    [Fact]
    public async Task A_program_that_ends_is_an_error_with_its_last_words_and_is_started_again()
    {
        using var folder = new TemporaryFolder();
        using var reward = Shell(
            $$"""read line; if [ -e "{{folder.At("again")}}" ]; then echo '{"rewards": [3, 4]}'; read line; fi; touch "{{folder.At("again")}}"; echo 'Error: no luck' >&2; exit 7""");

        var wrong = await Assert.ThrowsAsync<InvalidDataException>(() => ScoreAsync(reward));

        Assert.Equal("the program ended with code 7 before it answered: Error: no luck", wrong.Message);
        Assert.Equal([3.0, 4], await reward.ScoreAsync(Two, default));
    }

    [Fact]
    public async Task A_late_program_is_killed_with_its_children()
    {
        using var folder = new TemporaryFolder();
        using var reward = Shell($$"""sleep 1000 & echo $! > "{{folder.At("child.new")}}"; mv "{{folder.At("child.new")}}" "{{folder.At("child")}}"; wait""");
        using var deadline = new CancellationTokenSource();
        var scoring = ScoreAsync(reward, deadline.Token);
        while (!File.Exists(folder.At("child")))
            await Task.Yield();

        await deadline.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => scoring);
        var child = $"/proc/{File.ReadAllText(folder.At("child")).Trim()}/stat";
        while (IsAlive(child))
            await Task.Yield();
    }

    [Theory]
    [InlineData("read line; yes | tr -d '\\n'", "the program answered with more than 1048576 bytes")]
    [InlineData("read line; printf '1\\n2\\n'", "the program answered with more than one line")]
    [InlineData("read line; echo hello", "its answer \"hello\" is not JSON")]
    [InlineData("read line; yes >&2 & echo 1", "has no list \"rewards\"")]
    [InlineData("exit 3", "the program ended with code 3 before it answered")]
    public async Task An_answer_that_can_not_be_used_is_an_error(string script, string sentence)
    {
        using var reward = Shell(script);
        Assert.Contains(sentence, (await Assert.ThrowsAsync<InvalidDataException>(() => ScoreAsync(reward))).Message);
    }

    [Fact]
    public void A_sandbox_hides_files_network_and_environment_and_sets_limits()
    {
        var command = string.Join(' ', SandboxCommand.Build(
            "/usr/bin/bwrap", ["/opt/py/bin/python3", "judge.py"], new SandboxLimits(1 << 30, 16, false, ["/opt/py"]), "/jobs", isRoot: false));

        Assert.StartsWith("/usr/bin/bwrap --unshare-ipc --unshare-pid", command);
        foreach (var part in (string[])
            ["--unshare-user", "--unshare-net", "--die-with-parent", "--clearenv", "--ro-bind /opt/py /opt/py", "--remount-ro / --chdir /jobs"])
            Assert.Contains(part, command);
        Assert.DoesNotContain(" --bind ", command);
        Assert.DoesNotContain("resolv.conf", command);
        Assert.DoesNotContain("setpriv", command);
        Assert.EndsWith(
            "-- prlimit --as=1073741824 --nproc=16 --core=0 --fsize=0 --nofile=256 -- /opt/py/bin/python3 judge.py", command);
    }

    [Fact]
    public void A_sandbox_of_root_makes_its_program_nobody_and_may_have_the_network()
    {
        var command = string.Join(' ', SandboxCommand.Build(
            "bwrap", ["judge"], new SandboxLimits(1, 2, true, []), "/", isRoot: true));

        Assert.Contains("-- setpriv --reuid=65534 --regid=65534", command);
        Assert.Contains("--ro-bind-try /etc/resolv.conf /etc/resolv.conf", command);
        Assert.DoesNotContain("--unshare-net", command);
        Assert.DoesNotContain("--unshare-user", command);
    }

    private static bool IsAlive(string stat)
    {
        try
        {
            // A zombie has ended, and waits for its parent.
            return !File.ReadAllText(stat).Split(')')[^1].TrimStart().StartsWith('Z');
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static ProgramReward Shell(string script) => new(
        new ProgramLauncher(["/bin/sh", "-c", script], "/"), new BatchLimits(8, TimeSpan.FromSeconds(1)));

    private static async Task<IReadOnlyList<double?>> ScoreAsync(ProgramReward reward, CancellationToken cancellation = default) =>
        await reward.ScoreAsync(Two, cancellation);
}
