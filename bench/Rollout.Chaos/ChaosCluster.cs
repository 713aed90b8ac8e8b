using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Rollout.Actors.Settings;

namespace Rollout.Chaos;

/// <summary>
/// Three scheduler candidates, three decoders and the client with its job, each a process that can be taken away and put
/// back. Everything ends with this object.
/// </summary>
internal sealed partial class ChaosCluster : IDisposable
{
    public const int OfEach = 3;

    private static readonly TimeSpan SettleTime = TimeSpan.FromSeconds(120);

    private readonly string _folder;
    private readonly Action<string> _heard;
    private readonly ConcurrentDictionary<string, long> _down = [];      // when it was said of an address, last
    private readonly SupervisedProcess[] _schedulers;
    private readonly SupervisedProcess[] _decoders;
    private SupervisedProcess? _client;

    /// <param name="folder">For configurations and logs.</param>
    /// <param name="model">What the decoders load.</param>
    /// <param name="heard">Told every line that a process says.</param>
    public ChaosCluster(string folder, string model, Action<string> heard)
    {
        (_folder, _heard) = (folder, heard);
        var ports = FreePorts(OfEach);
        Addresses = string.Join(',', ports.Select(port => $"127.0.0.1:{port}"));
        _schedulers = [.. ports.Select((port, i) => NewHost($"scheduler-{i}", Scheduler(port)))];
        _decoders = [.. Enumerable.Range(0, OfEach).Select(i => NewHost($"decoder-{i}", Decoder(model)))];
    }

    /// <summary>The schedulers', for who wants to join.</summary>
    public string Addresses { get; }

    /// <summary>host:port of every decoder.</summary>
    public IEnumerable<string> DecoderAddresses => _decoders.Select(decoder => decoder.Address);

    /// <summary>What ended in a way that nothing explains; null where nothing did.</summary>
    public string? Surprise => All.Select(process => process.Surprise).FirstOrDefault(surprise => surprise is not null);

    /// <summary>Processes that were given up or not let in, and were started again.</summary>
    public int StartedAgain => All.Sum(process => process.StartedAgain);

    private IEnumerable<SupervisedProcess> Hosts => _schedulers.Concat(_decoders);

    private IEnumerable<SupervisedProcess> All => _client is null ? Hosts : Hosts.Append(_client);

    /// <summary>Of one more member.</summary>
    public RolloutSettings SettingsOf(string role)
    {
        var settings = RolloutSettings.From(ConfigTree.Load(overrides: [$"cluster.seed-nodes=[{Seeds}]"]));
        return settings with { Cluster = settings.Cluster with { Roles = [role] } };
    }

    public Task StartAsync() => Task.WhenAll(Hosts.Select(host => host.StartAsync()));

    /// <summary>Starts the client.</summary>
    /// <param name="arguments">The program's.</param>
    /// <param name="again">What more is said to each process that takes the place of one that ended too early.</param>
    /// <returns>Ends when the job is done, or can't be.</returns>
    public async Task RunJobAsync(string[] arguments, string again)
    {
        _client = new SupervisedProcess("client", _folder, Hear, IsGivenUp, isJob: true, arguments, [.. arguments, again]);
        await _client.StartAsync();
        await _client.Over;
    }

    /// <summary>
    /// Begins a fault, unless too much would be away at once: a cluster survives the loss of one scheduler of three, and
    /// work goes on as long as one decoder does. Null where it does not begin; the task ends when all is well again.
    /// </summary>
    public Task? Begin(Fault fault, CancellationToken over)
    {
        var (victim, others, most) = fault.On switch
        {
            Victim.Scheduler => (_schedulers[fault.Index], _schedulers, 1),
            Victim.Decoder => (_decoders[fault.Index], _decoders, 2),
            _ => (_client, [], 1),
        };
        return victim is not null && others.Count(other => other.IsAway) < most && victim.TryTake()
            ? victim.DisturbAsync(fault, over)
            : null;
    }

    /// <summary>Returns when every host is a member.</summary>
    public Task SettleAsync() => Task.WhenAll(Hosts.Select(host => host.SettleAsync(SettleTime)));

    /// <summary>Everybody leaves as asked. Gives what did not.</summary>
    public async Task<string?> LeaveAsync()
    {
        // Decoders first: they hand over to a scheduler that is there.
        foreach (var group in (SupervisedProcess[][])[_decoders, _schedulers])
        {
            foreach (var fault in await Task.WhenAll(group.Select(host => host.LeaveAsync())))
            {
                if (fault is not null)
                    return fault;
            }
        }
        return null;
    }

    public void Dispose()
    {
        foreach (var process in All)
            process.Dispose();
    }

    private void Hear(string line)
    {
        _heard(line);
        if (Down().Match(line) is { Success: true } down)
            _down[down.Groups["address"].Value] = Stopwatch.GetTimestamp();
    }

    private bool IsGivenUp(string address, long since) => _down.TryGetValue(address, out var when) && when > since;

    private SupervisedProcess NewHost(string name, string config)
    {
        var path = Path.Combine(_folder, $"{name}.conf");
        File.WriteAllText(path, config);
        string[] arguments = ["host", "--config", path];
        return new SupervisedProcess(name, _folder, Hear, IsGivenUp, isJob: false, arguments, arguments);
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

    [GeneratedRegex(@"(?<address>\S+) \(\w+\) is down$")]
    private static partial Regex Down();

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
}
