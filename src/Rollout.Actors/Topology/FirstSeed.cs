using Akka.Actor;
using Akka.Cluster;
using Rollout.Actors.Settings;
using ClusterSettings = Rollout.Actors.Settings.ClusterSettings;

namespace Rollout.Actors.Topology;

/// <summary>
/// Joins as the first of the seed nodes, which alone may begin a cluster. Akka's own first seed node begins one when nobody
/// answers for some seconds, also on the wrong side of a cut network. This one begins a cluster only when each of the other
/// seed nodes says that there is nothing to join: its machine refuses the connection, or its process answers and is no member.
/// </summary>
/// <param name="settings">The seed nodes; the first is this process.</param>
/// <param name="probe">Asks their machines.</param>
/// <param name="say">Told which seed nodes it waits for; null if nobody reads it.</param>
internal sealed class FirstSeed(ClusterSettings settings, SeedProbe probe, Action<string>? say)
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    /// <summary>The kernel accepts connections for a stopped process too, so the process itself must answer.</summary>
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(3);

    private enum Standing
    {
        /// <summary>The process may be a member of a cluster that can't be reached from here.</summary>
        Unknown,

        /// <summary>The process doesn't run, or is no member.</summary>
        Outside,

        /// <summary>The process is a member and can be joined.</summary>
        Inside,
    }

    /// <summary>Returns when this process is up.</summary>
    /// <exception cref="MembershipException">At the deadline some had not answered, and nobody could be joined.</exception>
    /// <exception cref="OperationCanceledException">The deadline passed for another reason.</exception>
    public async Task JoinAsync(ActorSystem system, CancellationToken deadline)
    {
        var cluster = Cluster.Get(system);
        var up = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        cluster.RegisterOnMemberUp(() => up.TrySetResult());
        NodeAddress[] joining = [];
        NodeAddress[] awaited = [];
        while (true)
        {
            var seeds = await AskAsync(system).ConfigureAwait(false);
            if (seeds.All(seed => seed.Standing == Standing.Outside))
            {
                // Akka asks the running ones once more, and begins a cluster.
                JoinAny(cluster, settings.SeedNodes);
                break;
            }
            var members = AddressesOf(seeds, Standing.Inside);
            var unknown = AddressesOf(seeds, Standing.Unknown);
            if (members.Length > 0 && !members.SequenceEqual(joining))
                JoinAny(cluster, joining = members);
            if (members.Length == 0 && !unknown.SequenceEqual(awaited))
            {
                awaited = unknown;
                say?.Invoke($"no answer from {string.Join(", ", unknown)}: they may be in a cluster, so none is begun here yet");
            }
            await Task.WhenAny(up.Task, system.WhenTerminated, Task.Delay(Pause, deadline)).ConfigureAwait(false);
            if (up.Task.IsCompleted || system.WhenTerminated.IsCompleted)
                break;
            if (deadline.IsCancellationRequested)
                throw members.Length > 0 ? new OperationCanceledException(deadline) : GivenUp(seeds);
        }
        await up.Task.WaitAsync(deadline).ConfigureAwait(false);
    }

    private static NodeAddress[] AddressesOf(Seed[] seeds, Standing standing) =>
        [.. seeds.Where(seed => seed.Standing == standing).Select(seed => seed.Address)];

    private void JoinAny(Cluster cluster, IReadOnlyList<NodeAddress> seeds) =>
        cluster.JoinSeedNodes(seeds.Select(seed => ClusterConfiguration.ToAkka(seed, settings)));

    private MembershipException GivenUp(Seed[] seeds)
    {
        var unknown = seeds.Where(seed => seed.Standing == Standing.Unknown).Select(seed => seed.Sentence);
        return new MembershipException(
            $"no answer within {settings.JoinTimeout.TotalSeconds:0.#} s from {string.Join(", ", unknown)}: they may be"
            + " in a cluster that can't be reached from here; to start without them, remove them from"
            + " rollout.cluster.seed-nodes of this process");
    }

    private Task<Seed[]> AskAsync(ActorSystem system) => Task.WhenAll(settings.SeedNodes.Skip(1).Select(async seed =>
    {
        var answer = await probe.AskAsync(seed, thorough: false).ConfigureAwait(false);
        return answer.Kind switch
        {
            SeedProbe.Answer.Refused => new Seed(seed, Standing.Outside),
            SeedProbe.Answer.Ready => await AskProcessAsync(system, seed).ConfigureAwait(false),
            _ => new Seed(seed, Standing.Unknown, answer.Sentence),
        };
    }));

    /// <summary>Asks the process itself whether it has the actor that only members have.</summary>
    private async Task<Seed> AskProcessAsync(ActorSystem system, NodeAddress seed)
    {
        var address = ClusterConfiguration.ToAkka(seed, settings);
        try
        {
            var found = await system.ActorSelection(new RootActorPath(address) / "user" / MemberStart.ProxyName)
                .Ask<ActorIdentity>(new Identify(null), AnswerTime).ConfigureAwait(false);
            return new Seed(seed, found.Subject is null ? Standing.Outside : Standing.Inside);
        }
        catch (AskTimeoutException)
        {
            return new Seed(seed, Standing.Unknown, $"{seed} (takes connections and does not answer)");
        }
    }

    /// <param name="Address">The seed node's address.</param>
    /// <param name="Standing">What is known about it.</param>
    /// <param name="Sentence">The address, with the reason where nothing is known.</param>
    private sealed record Seed(NodeAddress Address, Standing Standing, string Sentence = "");
}
