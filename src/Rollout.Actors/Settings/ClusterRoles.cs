namespace Rollout.Actors.Settings;

/// <summary>The roles of cluster members, as the configuration and Akka name them.</summary>
public static class ClusterRoles
{
    /// <summary>May run the cluster's one scheduler.</summary>
    public const string Scheduler = "scheduler";

    /// <summary>Generates tokens.</summary>
    public const string Decoder = "decoder";

    /// <summary>Trains; one member at most.</summary>
    public const string Trainer = "trainer";

    /// <summary>Only submits groups: rollout generate. Nobody configures it.</summary>
    public const string Client = "client";

    public static IReadOnlyList<string> All { get; } = [Scheduler, Decoder, Trainer, Client];
}
