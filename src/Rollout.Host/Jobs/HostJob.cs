using Rollout.Actors.Settings;
using Rollout.Actors.Topology;
using Rollout.Host.Cluster;
using Rollout.Host.Invocation;

namespace Rollout.Host.Jobs;

/// <summary>
/// Runs <c>rollout host</c>: a member of a cluster that schedules or decodes for others until it is told to leave, is
/// downed, or has no device left. A host with the role trainer trains as <c>rollout train</c> does, and continues the
/// run in its folder.
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
        var lines = new HostLines(context.Output);
        if (settings.Cluster.Roles.Contains(ClusterRoles.Trainer))
            return await TrainAsync(options, settings, context, lines);
        if (options.Out is not null)
        {
            throw new CommandLineException(
                "--out is the folder of a training run: leave it out where rollout.cluster.roles has no trainer.");
        }

        using var decoders = settings.Cluster.Roles.Contains(ClusterRoles.Decoder)
            ? LocalDecoders.Load(tree, settings)
            : null;
        context.Stop.TakeOver(() => lines.Say(
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

    /// <summary>
    /// Trains. A supervisor restarts a host with the same command, so the command continues a run that is there.
    /// </summary>
    private static async Task<int> TrainAsync(
        HostOptions options, RolloutSettings settings, CommandContext context, HostLines lines)
    {
        using var place = options.Out is null
            ? RunPlace.Choose(resume: null, output: null, options.Config)
            : RunPlace.BeginOrGoOn(options.Out);
        if (place.Notice is { } notice)
            lines.Say(notice);
        if (settings.Output.CheckpointEvery == 0)
        {
            lines.Say(
                "WARNING no checkpoint before the end (output.checkpoint-every = 0): a kill loses all steps since this start");
        }
        return await TrainJob.RunAsync(
            new TrainOptions(options.Config, options.Set, Out: null, Resume: null, Cluster: null), place, context, lines);
    }
}
