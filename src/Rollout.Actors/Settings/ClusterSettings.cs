namespace Rollout.Actors.Settings;

/// <summary>The section <c>cluster</c>.</summary>
public sealed record ClusterSettings
{
    public const string SchedulerRole = "scheduler";
    public const string DecoderRole = "decoder";
    public const string TrainerRole = "trainer";

    /// <summary>One or more of the three, none twice.</summary>
    public required IReadOnlyList<string> Roles { get; init; }

    public required string Hostname { get; init; }

    /// <summary>0 takes any free port.</summary>
    public required int Port { get; init; }

    public static ClusterSettings From(ConfigSection section)
    {
        var roles = section.Texts("roles");
        var known = roles.All(role => role is SchedulerRole or DecoderRole or TrainerRole);
        return new ClusterSettings
        {
            Roles = known && roles.Count > 0 && roles.Distinct().Count() == roles.Count
                ? roles
                : throw section.Invalid(
                    "roles", $"a list of {SchedulerRole}, {DecoderRole} or {TrainerRole}, each at most once"),
            Hostname = section.NonEmptyText("hostname"),
            Port = section.Whole("port", Bounds.Between(0, 65535)),
        };
    }
}
