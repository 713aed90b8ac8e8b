namespace Rollout.Host.Invocation;

/// <summary>The options of `rollout train`.</summary>
/// <param name="Config">The job's file; null takes that of the resumed run, or else the default job's.</param>
/// <param name="Set">"key=value" texts in their order.</param>
/// <param name="Out">The run's folder; null lets the program choose.</param>
/// <param name="Resume">The folder of a run to go on with.</param>
/// <param name="Cluster">Members of the cluster to train with, "host:port" separated by commas; null leaves it to the configuration.</param>
public sealed record TrainOptions(
    string? Config, IReadOnlyList<string> Set, string? Out, string? Resume, string? Cluster)
{
    /// <summary>Say what memory training will take, and end.</summary>
    public bool DryRun { get; init; }
}

/// <summary>The options of `rollout pretrain`.</summary>
/// <param name="Config">The file with the model and the data.</param>
/// <param name="Set">"key=value" texts in their order.</param>
/// <param name="Out">The folder of the new model.</param>
public sealed record PretrainOptions(string Config, IReadOnlyList<string> Set, string? Out);

/// <summary>The options of `rollout export`.</summary>
/// <param name="Model">The folder of the base.</param>
/// <param name="Adapter">The folder of the adapter.</param>
/// <param name="Out">The folder of the merged model.</param>
public sealed record ExportOptions(string Model, string Adapter, string Out);

/// <summary>The options of `rollout sft`.</summary>
/// <param name="Config">The file with the model and the data; null takes that of the resumed run.</param>
/// <param name="Set">"key=value" texts in their order.</param>
/// <param name="Out">The run's folder; null lets the program choose.</param>
/// <param name="Resume">The folder of a run to go on with.</param>
public sealed record SftOptions(string? Config, IReadOnlyList<string> Set, string? Out, string? Resume);

/// <summary>The options of `rollout host`.</summary>
/// <param name="Config">The file with the roles of this process and its cluster.</param>
/// <param name="Set">"key=value" texts in their order.</param>
/// <param name="Out">The run's folder for a trainer, where a run begins or goes on; null for a new folder.</param>
public sealed record HostOptions(string Config, IReadOnlyList<string> Set, string? Out);

/// <summary>The options of `rollout config`.</summary>
/// <param name="Config">The job's file; null takes the default job's.</param>
/// <param name="Set">"key=value" texts in their order.</param>
/// <param name="Changed">Leave out what nobody has set.</param>
/// <param name="Json">Print a JSON object a key.</param>
public sealed record ConfigOptions(string? Config, IReadOnlyList<string> Set, bool Changed, bool Json);

/// <summary>The options of `rollout init`.</summary>
/// <param name="File">The new job file.</param>
/// <param name="Force">Replace a file that is there.</param>
public sealed record InitOptions(string File, bool Force);

/// <summary>The options of `rollout doctor`.</summary>
/// <param name="Config">A file with the device, ports and certificates to check; null checks what every run needs.</param>
/// <param name="Set">"key=value" texts in their order.</param>
/// <param name="Json">Print a JSON object a check.</param>
public sealed record DoctorOptions(string? Config, IReadOnlyList<string> Set, bool Json);

/// <summary>The options of the engine, for generate and bench; null keeps the configuration's default.</summary>
public sealed record EngineOptions
{
    /// <summary>"paged" or "contiguous".</summary>
    public string? Engine { get; init; }

    /// <summary>"cpu", "cuda" or "cuda:i".</summary>
    public string? Device { get; init; }

    /// <summary>"float32" or "bfloat16".</summary>
    public string? Dtype { get; init; }

    /// <summary>Tokens in a KV block.</summary>
    public int? BlockSize { get; init; }

    /// <summary>KV blocks in the pool.</summary>
    public int? KvBlocks { get; init; }

    public int? MaxNumSeqs { get; init; }
}

/// <summary>The options of `rollout generate`; null keeps the configuration's default.</summary>
public sealed record GenerateOptions
{
    public required string Model { get; init; }

    /// <summary>The folder of a LoRA adapter.</summary>
    public string? Adapter { get; init; }

    /// <summary>IN.jsonl, or "-" for standard input.</summary>
    public required string Prompts { get; init; }

    /// <summary>The field of a line that has its prompt's text.</summary>
    public string PromptField { get; init; } = "prompt";

    /// <summary>OUT.jsonl, or "-" for standard output.</summary>
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

    /// <summary>Continue what an earlier run with the same arguments has written.</summary>
    public bool Resume { get; init; }

    /// <summary>Replace an output that is there.</summary>
    public bool Force { get; init; }

    /// <summary>Sample with the weights of a trainer that has left the cluster, too.</summary>
    public bool AnyPolicy { get; init; }

    public required EngineOptions Engine { get; init; }

    /// <summary>Members of the cluster that samples, "host:port" separated by commas.</summary>
    public string? Cluster { get; init; }

    /// <summary>The file with the cluster's addresses and certificates.</summary>
    public string? Config { get; init; }

    /// <summary>"key=value" texts in their order, which replace the file's values.</summary>
    public IReadOnlyList<string> Set { get; init; } = [];
}

/// <summary>The options of `rollout bench`.</summary>
public sealed record BenchOptions
{
    /// <summary>The folder of a checkpoint; exactly one of this and <see cref="Shape"/> is given.</summary>
    public string? Model { get; init; }

    /// <summary>The name of a shape that gets random weights.</summary>
    public string? Shape { get; init; }

    /// <summary>W.jsonl; exactly one of this and <see cref="Train"/> is given.</summary>
    public string? Workload { get; init; }

    /// <summary>The training steps to measure in place of a workload.</summary>
    public TrainBenchOptions? Train { get; init; }

    /// <summary>OUT.json; null prints the report.</summary>
    public string? Json { get; init; }

    public required EngineOptions Engine { get; init; }
}

/// <summary>The options of `rollout bench --train`.</summary>
public sealed record TrainBenchOptions
{
    /// <summary>Sequences of a step, a multiple of <see cref="GroupSize"/>.</summary>
    public int Sequences { get; init; } = 64;

    /// <summary>Tokens of a prompt.</summary>
    public int PromptLength { get; init; } = 512;

    /// <summary>Tokens of a completion.</summary>
    public int CompletionLength { get; init; } = 1024;

    /// <summary>Samples of a prompt, at least 2: a lone sample has no advantage.</summary>
    public int GroupSize { get; init; } = 16;

    /// <summary>Tokens of a forward and backward pass; null keeps the configuration's.</summary>
    public int? MicroBatchTokens { get; init; }

    /// <summary>Measured steps.</summary>
    public int Steps { get; init; } = 3;

    /// <summary>Compute by autograd on a GPU too.</summary>
    public bool Autograd { get; init; }

    /// <summary>The value of train.recompute; null keeps the configuration's.</summary>
    public string? Recompute { get; init; }

    /// <summary>Keep the optimizer's state in host memory.</summary>
    public bool Offload { get; init; }

    /// <summary>The rank of the adapter that is trained; null trains all weights.</summary>
    public int? LoraRank { get; init; }

    /// <summary>Say what memory training will take, and end.</summary>
    public bool DryRun { get; init; }
}
