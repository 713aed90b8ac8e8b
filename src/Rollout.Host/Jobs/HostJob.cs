using Rollout.Actors.Settings;
using Rollout.Actors.Topology;
using Rollout.Host.Cluster;
using Rollout.Host.Commands;

namespace Rollout.Host.Jobs;

/// <summary>
/// rollout host: a member of a cluster that schedules or decodes for others until it is told to leave, is downed, or has
/// no device left. One of the role trainer trains, as rollout train does.
/// </summary>
public static class HostJob
{
    public static async Task<int> RunAsync(HostOptions options, CommandContext context)
    {
        var tree = ConfigTree.Load(options.Config, options.Set);
        var settings = RolloutSettings.From(tree);
        if (settings.Cluster.Roles.Count == 0)
        {
            throw tree.Rollout.Section("cluster").Invalid(
                "roles", "what this host does in the cluster of seed-nodes: scheduler, decoder or trainer");
        }
        var lines = new HostLines(context.Console.Profile.Out.Writer);
        if (settings.Cluster.Roles.Contains(ClusterRoles.Trainer))
            return await TrainJob.RunAsync(new TrainOptions(options.Config, options.Set, null, null, null), context, lines);

        using var decoders = settings.Cluster.Roles.Contains(ClusterRoles.Decoder)
            ? LocalDecoders.Load(tree, settings)
            : null;
        context.Stop.AnnounceBy(_ => lines.Say(
            "leaving: unfinished work is handed back; press Ctrl-C again to end at once"));
        RolloutTopology started;
        try
        {
            started = await ClusterMembers.StartAsync(
                tree, settings, ClusterMembers.Fingerprint(settings, decoders is not null), context, lines);
        }
        catch (OperationCanceledException)
        {
            lines.Say("left before it had joined");
            return ExitCodes.Ok;
        }
        await using var topology = started;
        decoders?.AddTo(topology);

        if (await topology.RunUntilAsync(context.Stop.Token) is { } why)
        {
            await context.Error.WriteLineAsync(why);
            return ExitCodes.Failure;
        }
        await topology.DisposeAsync();
        lines.Say("left the cluster");
        return ExitCodes.Ok;
    }
}
