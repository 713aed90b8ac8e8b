namespace Rollout.Host.Invocation;

/// <summary>rollout train.</summary>
/// <param name="Config">The job's file; null takes that of the resumed run, or else the default job's.</param>
/// <param name="Set">"key=value" texts in their order.</param>
/// <param name="Out">The run's folder; null leaves the choice to the program.</param>
/// <param name="Resume">The folder of a run to go on with.</param>
/// <param name="Cluster">Addresses of the cluster to train with, "host:port" by commas; null leaves it to the configuration.</param>
public sealed record TrainOptions(
    string? Config, IReadOnlyList<string> Set, string? Out, string? Resume, string? Cluster);

/// <summary>rollout pretrain.</summary>
/// <param name="Config">The file that says what to train.</param>
/// <param name="Set">"key=value" texts in their order.</param>
/// <param name="Out">The folder of the checkpoint.</param>
public sealed record PretrainOptions(string Config, IReadOnlyList<string> Set, string? Out);

/// <summary>rollout host.</summary>
/// <param name="Config">The file that says what this process does, and with whom.</param>
/// <param name="Set">"key=value" texts in their order.</param>
/// <param name="Out">The run's folder where it trains, which begins there or goes on; null for a new one.</param>
public sealed record HostOptions(string Config, IReadOnlyList<string> Set, string? Out);

/// <summary>What generate and bench run on; null keeps the configuration's default.</summary>
public sealed record EngineOptions
{
    /// <summary>"paged" or "contiguous".</summary>
    public string? Engine { get; init; }

    /// <summary>"cpu", "cuda" or "cuda:i".</summary>
    public string? Device { get; init; }

    /// <summary>"float32" or "bfloat16".</summary>
    public string? Dtype { get; init; }

    /// <summary>Tokens of a block.</summary>
    public int? BlockSize { get; init; }

    /// <summary>Blocks of the pool.</summary>
    public int? KvBlocks { get; init; }

    public int? MaxNumSeqs { get; init; }
}

/// <summary>rollout generate; null keeps the configuration's default.</summary>
public sealed record GenerateOptions
{
    public required string Model { get; init; }

    /// <summary>IN.jsonl.</summary>
    public required string Prompts { get; init; }

    /// <summary>OUT.jsonl.</summary>
    public required string Out { get; init; }

    public int? Samples { get; init; }

    public int? MaxTokens { get; init; }

    public double? Temperature { get; init; }

    public int? TopK { get; init; }

    public double? TopP { get; init; }

    public double? MinP { get; init; }

    /// <summary>Texts that end a completion.</summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    public long? Seed { get; init; }

    public bool IgnoreEos { get; init; }

    /// <summary>Go on with what a run with the same arguments has written, if there is any.</summary>
    public bool Resume { get; init; }

    public required EngineOptions Engine { get; init; }

    /// <summary>Addresses of the cluster that samples, "host:port" by commas.</summary>
    public string? Cluster { get; init; }

    /// <summary>The file that says how to reach the cluster.</summary>
    public string? Config { get; init; }

    /// <summary>"key=value" texts over that file, in their order.</summary>
    public IReadOnlyList<string> Set { get; init; } = [];
}

/// <summary>rollout bench: a checkpoint, or random weights of a known shape.</summary>
public sealed record BenchOptions
{
    /// <summary>Exactly one of this and <see cref="Shape"/> is given.</summary>
    public string? Model { get; init; }

    /// <summary>"qwen3-0.6b", "qwen3-1.7b" or "qwen3-8b".</summary>
    public string? Shape { get; init; }

    /// <summary>W.jsonl.</summary>
    public required string Workload { get; init; }

    /// <summary>OUT.json; null prints the report.</summary>
    public string? Json { get; init; }

    public required EngineOptions Engine { get; init; }
}
