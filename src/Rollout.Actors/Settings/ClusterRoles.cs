namespace Rollout.Actors.Settings;

/// <summary>What a member of the cluster does.</summary>
public static class ClusterRoles
{
    /// <summary>May run the one scheduler.</summary>
    public const string Scheduler = "scheduler";

    /// <summary>Generates.</summary>
    public const string Decoder = "decoder";

    /// <summary>Trains, as the only one.</summary>
    public const string Trainer = "trainer";

    /// <summary>Only submits groups: rollout generate's, never configured.</summary>
    public const string Client = "client";

    public static IReadOnlyList<string> All { get; } = [Scheduler, Decoder, Trainer, Client];
}
