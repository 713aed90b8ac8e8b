using System.Globalization;
using Akka.Actor;
using Akka.Cluster;
using Rollout.Actors.Barrier;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Actors.Topology;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Weights;
using Rollout.Gpu.Weights.Transfer;

namespace Rollout.Chaos;

/// <summary>
/// The cluster at rest and with every core taken several times over: how long a heartbeat is on its way to each member and
/// back, how long the step barrier takes to bring every decoder to new weights, and who is held for unreachable.
/// </summary>
/// <param name="job">Whose model the decoders have.</param>
/// <param name="folder">Where the processes write.</param>
internal sealed class LoadRun(Job job, string folder)
{
    private const int BurnersPerCore = 3;

    private static readonly TimeSpan BeatEvery = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan BarrierEvery = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly Policy First = new(Run: 1, new PolicyVersion(0));

    private int _suspected;

    /// <summary>Prints a line for each state of the cluster.</summary>
    /// <param name="time">Of each.</param>
    /// <param name="stop">Ends everything.</param>
    public async Task PrintAsync(TimeSpan time, CancellationToken stop)
    {
        Directory.CreateDirectory(folder);
        using var cluster = new ChaosCluster(folder, job.Model, Hear);
        await cluster.StartAsync().WaitAsync(stop);
        LibTorch.Load();
        using var weights = new PolicyWeights(
            HuggingFaceModel.Load(job.Model, TorchSharp.torch.ScalarType.Float32, TorchSharp.torch.CPU), First.Version);
        await using var server = new WeightServer("127.0.0.1");
        await using var topology = await RolloutTopology.StartAsync(
            cluster.SettingsOf(ClusterRoles.Trainer), "", stop: stop);
        var membership = await topology.System.ActorSelection($"/user/{MembershipActor.Name}").ResolveOne(Patience, stop);
        var barrier = StartBarrier(topology, server, weights, membership);
        var hosts = cluster.Addresses.Split(',').Concat(cluster.DecoderAddresses).ToArray();

        Console.WriteLine($"{"",-34}  heartbeat, ms: median   p99   max   barrier, ms: median   p99   max  unreachable");
        await MeasureAsync("at rest", topology, hosts, barrier, time, stop);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var burners = Enumerable.Range(0, BurnersPerCore * Environment.ProcessorCount)
            .Select(_ => Burn(over.Token)).ToArray();
        var work = KeepDecodersBusyAsync(topology, over.Token);
        await MeasureAsync(
            $"decoding, {burners.Length} threads spinning", topology, hosts, barrier, time, stop);
        await over.CancelAsync();
        await work;
        Array.ForEach(burners, burner => burner.Join());
    }

    /// <summary>The barrier that a trainer has, without the trainer.</summary>
    private static Func<Task<double>> StartBarrier(
        RolloutTopology topology, WeightServer server, PolicyWeights weights, IActorRef membership)
    {
        var publisher = new WeightPublisher(server, weights);
        var policy = First;
        var barrier = topology.System.ActorOf(
            StepBarrierActor.Props(
                RolloutSettings.From(ConfigTree.Load()).Barrier,
                Hosts.IdOf(Cluster.Get(topology.System).SelfUniqueAddress),
                policy,
                publisher.Publish(policy),
                membership),
            BarrierProxy.BarrierName);
        return async () =>
        {
            policy = policy with { Version = new PolicyVersion(policy.Version.Value + 1) };
            var offer = publisher.Publish(policy);
            var started = TimeProvider.System.GetTimestamp();
            await barrier.Ask<AllParked>(new ParkAll(policy), Patience);
            await barrier.Ask<StepOpened>(new UpdateAll(policy, offer), Patience);
            return TimeProvider.System.GetElapsedTime(started).TotalMilliseconds;
        };
    }

    private async Task MeasureAsync(
        string state,
        RolloutTopology topology,
        string[] hosts,
        Func<Task<double>> barrier,
        TimeSpan time,
        CancellationToken stop)
    {
        var suspected = Volatile.Read(ref _suspected);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(stop);
        over.CancelAfter(time);
        var beats = Task.WhenAll(hosts.Select(host => RepeatAsync(
            () => BeatAsync(topology.System, host), BeatEvery, over.Token)));
        var rounds = await RepeatAsync(barrier, BarrierEvery, over.Token);
        var all = (await beats).SelectMany(beat => beat).ToArray();
        stop.ThrowIfCancellationRequested();
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{state,-34}  {Spread(all),38}   {Spread(rounds),37}  {Volatile.Read(ref _suspected) - suspected,11}"));
    }

    /// <summary>To the actor that answers the cluster's heartbeats, over the same connection and dispatchers.</summary>
    private static async Task<double> BeatAsync(ActorSystem system, string host)
    {
        var started = TimeProvider.System.GetTimestamp();
        await system.ActorSelection($"akka.tcp://{RolloutTopology.SystemName}@{host}/system/cluster/heartbeatReceiver")
            .Ask<ActorIdentity>(new Identify(null), Patience);
        return TimeProvider.System.GetElapsedTime(started).TotalMilliseconds;
    }

    private static async Task<IReadOnlyList<double>> RepeatAsync(
        Func<Task<double>> measure, TimeSpan every, CancellationToken over)
    {
        var measured = new List<double>();
        while (!over.IsCancellationRequested)
        {
            measured.Add(await measure());
            await Task.WhenAny(Task.Delay(every, over));
        }
        return measured;
    }

    /// <summary>More groups than all decoders have places for, again and again.</summary>
    private static async Task KeepDecodersBusyAsync(RolloutTopology topology, CancellationToken over)
    {
        var sampling = Enumerable.Repeat(new SamplingParams { MaxTokens = 200 }, 8).ToArray();
        var groups = Enumerable.Range(0, int.MaxValue)
            .Select(id => new GroupRequest(new GroupId(id), [5, 3, 6, 4], sampling));
        try
        {
            await foreach (var _ in topology.Client.GenerateAsync(groups, window: 60, cancellation: over))
            {
            }
        }
        catch (OperationCanceledException)
        {
        }
    }

    private void Hear(string line)
    {
        if (line.Contains("is unreachable", StringComparison.Ordinal))
            Interlocked.Increment(ref _suspected);
    }

    private static string Spread(IReadOnlyList<double> milliseconds)
    {
        var sorted = milliseconds.Order().ToArray();
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{sorted[sorted.Length / 2]:F1} {sorted[(int)(0.99 * (sorted.Length - 1))],7:F1} {sorted[^1],7:F1}");
    }

    private static Thread Burn(CancellationToken until)
    {
        var thread = new Thread(() =>
        {
            while (!until.IsCancellationRequested)
                Thread.SpinWait(1000);
        })
        { IsBackground = true };
        thread.Start();
        return thread;
    }
}
