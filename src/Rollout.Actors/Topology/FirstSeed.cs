using Akka.Actor;
using Akka.Cluster;
using Rollout.Actors.Settings;
using ClusterSettings = Rollout.Actors.Settings.ClusterSettings;

namespace Rollout.Actors.Topology;

/// <summary>
/// Joins as the first of the seed nodes, which alone may begin a cluster. Akka's own first seed node begins one where
/// nobody answers for some seconds, as on the wrong side of a cut network; this one only where each of the others says
/// that there is nothing to join: its machine refuses the connection, or its process answers and is a member of nothing.
/// </summary>
/// <param name="settings">The seed nodes, this process first.</param>
/// <param name="probe">Asks their machines.</param>
/// <param name="say">Told whom it waits for; null where nobody reads it.</param>
internal sealed class FirstSeed(ClusterSettings settings, SeedProbe probe, Action<string>? say)
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    /// <summary>A process that is stopped still has connections taken for it, by its kernel.</summary>
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(3);

    private enum Standing
    {
        /// <summary>It may be a member of a cluster that can't be reached from here.</summary>
        Unknown,

        /// <summary>It is not running, or a member of nothing.</summary>
        Outside,

        /// <summary>A member: it can be joined.</summary>
        Inside,
    }

    /// <summary>Returns when this process is up.</summary>
    /// <exception cref="MembershipException">Until the deadline some did not answer, and nobody could be joined.</exception>
    /// <exception cref="OperationCanceledException">The deadline came for another reason.</exception>
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
                // Akka asks those that run once more, and begins a cluster.
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
                say?.Invoke($"no answer from {string.Join(", ", unknown)}: a cluster may be there, so none is begun here yet");
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
            $"no answer within {settings.JoinTimeout.TotalSeconds:0.#} s from {string.Join(", ", unknown)}: what does not"
            + " answer may belong to a cluster that can't be reached from here, and taking it out of"
            + " rollout.cluster.seed-nodes of this process starts without it");
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

    /// <summary>What the process itself says: that it runs, and whether it has what only members have.</summary>
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

    /// <param name="Address">Where it is to be.</param>
    /// <param name="Standing">What is known of it.</param>
    /// <param name="Sentence">Its address, with the reason where nothing is known.</param>
    private sealed record Seed(NodeAddress Address, Standing Standing, string Sentence = "");
}
