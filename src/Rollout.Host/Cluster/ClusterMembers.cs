using Rollout.Actors.Settings;
using Rollout.Actors.Topology;
using Rollout.Host.Invocation;

namespace Rollout.Host.Cluster;

/// <summary>Makes the program's commands members of a cluster.</summary>
internal static class ClusterMembers
{
    /// <summary>Converts --cluster to a setting of the configuration.</summary>
    public static IEnumerable<(string Option, string Setting)> Override(string? addresses) => addresses is null
        ? []
        : [("--cluster", $"cluster.seed-nodes=[{string.Join(", ", addresses.Split(',').Select(address => $"\"{address}\""))}]")];

    /// <summary>Gives the command its own role where none is configured.</summary>
    public static RolloutSettings WithRoles(RolloutSettings settings, string role) => settings.Cluster.Roles.Count > 0
        ? settings
        : settings with { Cluster = settings.Cluster with { Roles = [role] } };

    /// <summary>The fingerprint of the model that this process decodes with; "" where it does not decode.</summary>
    public static string Fingerprint(RolloutSettings settings, bool decodes) =>
        decodes ? ModelFingerprint.Of(settings).ToString() : "";

    /// <summary>
    /// Joins the cluster. A host reports on standard output that it is ready, and which members come and go. Other commands
    /// report members on standard error, and nothing where they are a cluster of their own.
    /// </summary>
    /// <param name="tree">The configuration.</param>
    /// <param name="settings">The settings that were read from it.</param>
    /// <param name="fingerprint">See <see cref="Fingerprint"/>.</param>
    /// <param name="context">The terminal and the stop signal.</param>
    /// <param name="lines">Where a host reports; null for other commands.</param>
    /// <exception cref="ConfigurationException">The cluster can't be joined.</exception>
    public static async Task<RolloutTopology> StartAsync(
        ConfigTree tree,
        RolloutSettings settings,
        string fingerprint,
        CommandContext context,
        HostLines? lines)
    {
        var alone = lines is null && settings.Cluster.SeedNodes.Count == 0;
        var said = lines ?? new HostLines(context.Error);
        var topology = await RolloutTopology.StartAsync(
            settings,
            HostLog.Configuration(alone) + tree.RenderAkka(),
            fingerprint,
            alone ? null : said.Say,
            waits: lines is not null,
            context.Stop.Token);
        lines?.Write(
            $"READY port={topology.Address.Port} address={topology.Address}"
            + $" roles={string.Join(',', settings.Cluster.Roles)} pid={Environment.ProcessId}");
        return topology;
    }

    /// <summary>
    /// Waits until the cluster has a decoder, and compares its model with this process's. A trainer, or a client that samples
    /// with a trainer's weights, needs the same shape and tokenizer. Any other client needs the same weights too, and so does
    /// the trainer of an adapter, which sends nothing else.
    /// </summary>
    /// <param name="topology">The cluster.</param>
    /// <param name="settings">Names this process's model.</param>
    /// <param name="context">Where a warning goes.</param>
    /// <param name="anyPolicy">Take the weights of a trainer that has left, too.</param>
    /// <exception cref="ConfigurationException">There is no decoder, or it has another model.</exception>
    public static async Task<ClusterModel> RequireSameModelAsync(
        RolloutTopology topology, RolloutSettings settings, CommandContext context, bool anyPolicy = true)
    {
        var report = await topology.WaitForDecodersAsync(context.Stop.Token);
        var folder = settings.Model.Path;
        var areTrained = topology.HasTrainer || report.Policy is not { Run: 0 };
        var own = areTrained && !(topology.HasTrainer && settings.TrainsAdapter) ? ModelFingerprint.OfFolder(folder) : ModelFingerprint.Of(settings);
        if (report.Fingerprint is { Length: > 0 } theirs && own.DifferenceFrom(theirs) is { } difference)
            throw new ConfigurationException($"'{folder}' is not the model of the cluster's decoders: they have {difference}");
        if (topology.HasTrainer)
            return new ClusterModel(own, report.Fingerprint, Weights: null);
        if (report.Policy is not { } policy)
        {
            throw new ConfigurationException(
                "the cluster's decoders hold different weights, some of a training run that has ended: restart all decoders");
        }
        if (areTrained && !anyPolicy)
        {
            throw new ConfigurationException(
                $"the cluster's decoders hold {policy} of a trainer that has left, not the weights of '{folder}': add --any-policy"
                + " to sample with theirs, or restart them");
        }
        if (areTrained)
            await context.Error.WriteLineAsync($"The cluster's decoders hold {policy}, not the weights of '{folder}'.");
        return new ClusterModel(own, report.Fingerprint, policy);
    }
}
