namespace Rollout.Host.Invocation;

/// <summary>The options of `rollout serve`; null keeps the configuration's default.</summary>
public sealed record ServeOptions
{
    public required string Model { get; init; }

    /// <summary>The folder of a LoRA adapter.</summary>
    public string? Adapter { get; init; }

    public int? Port { get; init; }

    public required EngineOptions Engine { get; init; }

    /// <summary>Members of the cluster that samples, "host:port" separated by commas.</summary>
    public string? Cluster { get; init; }

    /// <summary>The file with the settings of the server, the engine and the cluster.</summary>
    public string? Config { get; init; }

    /// <summary>"key=value" texts in their order, which replace the file's values.</summary>
    public IReadOnlyList<string> Set { get; init; } = [];
}
