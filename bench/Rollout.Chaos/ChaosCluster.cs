using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Rollout.Actors.Settings;

namespace Rollout.Chaos;

/// <summary>
/// Three scheduler candidates and three decoders, each a process that can be taken away and put back. Everything ends
/// with this object.
/// </summary>
internal sealed class ChaosCluster : IDisposable
{
    public const int OfEach = 3;

    private const int Tries = 3;

    private static readonly TimeSpan StartTime = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan LeaveTime = TimeSpan.FromSeconds(60);

    /// <summary>A little less than the time after which a member that doesn't answer is removed.</summary>
    private static readonly TimeSpan GivenUpAfter = TimeSpan.FromSeconds(15);

    private readonly string _folder;
    private readonly Action<string> _heard;
    private readonly Member[] _schedulers;
    private readonly Member[] _decoders;

    /// <param name="folder">For configurations and logs.</param>
    /// <param name="model">What the decoders load.</param>
    /// <param name="heard">Told every line that a process says.</param>
    public ChaosCluster(string folder, string model, Action<string> heard)
    {
        (_folder, _heard) = (folder, heard);
        var ports = FreePorts(OfEach);
        Addresses = string.Join(',', ports.Select(port => $"127.0.0.1:{port}"));
        _schedulers = [.. ports.Select((port, i) => NewMember($"scheduler-{i}", Scheduler(port)))];
        _decoders = [.. Enumerable.Range(0, OfEach).Select(i => NewMember($"decoder-{i}", Decoder(model)))];
    }

    /// <summary>The schedulers', for who wants to join.</summary>
    public string Addresses { get; }

    /// <summary>Processes that ended by themselves, with a code that nobody asked for.</summary>
    public IEnumerable<string> Surprises => _schedulers.Concat(_decoders).SelectMany(member => member.Surprises);

    /// <summary>New processes that could not join at first.</summary>
    public int StartedAgain { get; private set; }

    /// <summary>host:port of every decoder.</summary>
    public IEnumerable<string> DecoderAddresses => _decoders.Select(decoder => decoder.Address);

    /// <summary>Of one more member.</summary>
    public RolloutSettings SettingsOf(string role)
    {
        var settings = RolloutSettings.From(ConfigTree.Load(overrides: [$"cluster.seed-nodes=[{Seeds}]"]));
        return settings with { Cluster = settings.Cluster with { Roles = [role] } };
    }

    public async Task StartAsync()
    {
        foreach (var member in _schedulers.Concat(_decoders))
            Launch(member);
        await Task.WhenAll(_schedulers.Concat(_decoders).Select(ReadyAsync));
    }

    /// <summary>
    /// Begins a fault, unless too much would be away at once: a cluster survives the loss of one scheduler of three, and
    /// work goes on as long as one decoder does. Null where it does not begin; the task ends when all is well again.
    /// </summary>
    public Task? Begin(Fault fault, CancellationToken over)
    {
        var members = fault.OnScheduler ? _schedulers : _decoders;
        var member = members[fault.Index];
        var away = members.Count(other => other.IsAway);
        if (member.IsAway || away >= (fault.OnScheduler ? 1 : 2))
            return null;
        member.IsAway = true;
        return RunAsync(member, fault, over);
    }

    /// <summary>Everybody leaves as asked. Gives what did not.</summary>
    public async Task<string?> LeaveAsync()
    {
        // Decoders first: they hand over to a scheduler that is there.
        foreach (var group in (Member[][])[_decoders, _schedulers])
        {
            foreach (var member in group)
                member.Process?.AskToEnd();
            foreach (var member in group)
            {
                if (await EndOf(member) is not 0 and var code)
                    return $"{member.Name} was asked to leave and {(code is null ? "did not" : $"ended with {code}")}";
            }
        }
        return null;
    }

    public void Dispose()
    {
        foreach (var member in _schedulers.Concat(_decoders))
            member.Process?.Dispose();
    }

    private async Task RunAsync(Member member, Fault fault, CancellationToken over)
    {
        var process = member.Process!;
        switch (fault.Kind)
        {
            case FaultKind.Kill:
                process.Kill();
                await process.Exited;
                await DelayAsync(fault.Lasts, over);
                break;
            case FaultKind.Leave:
                process.AskToEnd();
                if (await EndOf(member) is not 0 and var code)
                    member.Surprises.Add($"{member.Name} was asked to leave and ended with {code}");
                await DelayAsync(fault.Lasts, over);
                break;
            default:
                process.Pause();
                var paused = Stopwatch.GetTimestamp();
                await DelayAsync(fault.Lasts, over);
                process.Resume();
                // Where it was given up meanwhile it finds out, and ends; it must not go on as if nothing had been.
                if (Stopwatch.GetElapsedTime(paused) > GivenUpAfter)
                    await Task.WhenAny(process.Exited, Task.Delay(LeaveTime, CancellationToken.None));
                break;
        }
        if (process.HasExited)
            await RestartAsync(member);
        member.IsAway = false;
    }

    /// <summary>
    /// As a supervisor of processes does: one that can't join, as when it asks a member that is being given up itself, is
    /// started again.
    /// </summary>
    private async Task RestartAsync(Member member)
    {
        for (var tries = 1; ; tries++)
        {
            member.Process!.Dispose();
            Launch(member);
            try
            {
                await ReadyAsync(member);
                return;
            }
            catch (InvalidOperationException) when (tries < Tries)
            {
                StartedAgain++;
            }
        }
    }

    private void Launch(Member member) => member.Process =
        ChildProcess.Start(member.Name, _folder, _heard, "host", "--config", member.Config);

    private static async Task ReadyAsync(Member member) =>
        member.Address = await member.Process!.Ready.WaitAsync(StartTime);

    /// <summary>The exit code; null where it does not end.</summary>
    private static async Task<int?> EndOf(Member member)
    {
        var ended = member.Process!.Exited;
        return await Task.WhenAny(ended, Task.Delay(LeaveTime)) == ended ? member.Process.ExitCode : null;
    }

    /// <summary>What is left of a fault does not outlast the job.</summary>
    private static async Task DelayAsync(TimeSpan time, CancellationToken over)
    {
        try
        {
            await Task.Delay(time, over);
        }
        catch (OperationCanceledException)
        {
        }
    }

    private Member NewMember(string name, string config)
    {
        var path = Path.Combine(_folder, $"{name}.conf");
        File.WriteAllText(path, config);
        return new Member(name, path);
    }

    private string Scheduler(int port) => string.Create(CultureInfo.InvariantCulture,
        $$"""
        rollout.cluster { roles = [scheduler], port = {{port}}, seed-nodes = [{{Seeds}}] }
        """);

    private string Decoder(string model) =>
        $$"""
        rollout {
          cluster { roles = [decoder], seed-nodes = [{{Seeds}}] }
          model.path = "{{model}}"
          blocks { block-size = 4, memory = 16MiB }
          decoder { max-model-len = 320, max-num-seqs = 32, batch-invariant = on }
          threads = 1
        }
        """;

    private string Seeds => string.Join(", ", Addresses.Split(',').Select(address => $"\"{address}\""));

    /// <summary>Held together, so that they are different ones, and free again.</summary>
    private static int[] FreePorts(int count)
    {
        var listeners = Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0)).ToArray();
        foreach (var listener in listeners)
            listener.Start();
        var ports = listeners.Select(listener => ((IPEndPoint)listener.LocalEndpoint).Port).ToArray();
        foreach (var listener in listeners)
            listener.Stop();
        return ports;
    }

    private sealed class Member(string name, string config)
    {
        public string Name { get; } = name;

        public string Config { get; } = config;

        public ChildProcess? Process { get; set; }

        public string Address { get; set; } = "";

        public bool IsAway { get; set; }

        public List<string> Surprises { get; } = [];
    }
}
