namespace Rollout.Actors.Settings;

/// <summary>The section <c>decoder</c>: the limits of a step, and what follows failures.</summary>
public sealed record DecoderSettings
{
    /// <summary>The most sequences that run at once.</summary>
    public required int MaxNumSeqs { get; init; }

    /// <summary>The most tokens of one step.</summary>
    public required int MaxNumBatchedTokens { get; init; }

    /// <summary>The most tokens of a sequence, prompt included; 0 takes the model's own limit.</summary>
    public required int MaxModelLen { get; init; }

    /// <summary>Make log-probabilities independent of the rest of the batch, to the last bit.</summary>
    public required bool BatchInvariant { get; init; }

    /// <summary>On a GPU, capture the decode step of each batch size as a CUDA graph.</summary>
    public required bool CudaGraphs { get; init; }

    /// <summary>Retries of a sequence after a failed step.</summary>
    public required int MaxStepRetries { get; init; }

    /// <summary>Restarts of a failed decoder within <see cref="RestartWindow"/>.</summary>
    public required int MaxRestarts { get; init; }

    /// <summary>How long a failure counts.</summary>
    public required TimeSpan RestartWindow { get; init; }

    /// <summary>Pause before the first restart within the window; each further one doubles it, up to a minute.</summary>
    public required TimeSpan RestartPause { get; init; }

    public static DecoderSettings From(ConfigSection section)
    {
        var settings = new DecoderSettings
        {
            MaxNumSeqs = section.Whole("max-num-seqs", Bounds.AtLeast(1)),
            MaxNumBatchedTokens = section.Whole("max-num-batched-tokens", Bounds.AtLeast(1)),
            BatchInvariant = section.Bool("batch-invariant"),
            CudaGraphs = section.Bool("cuda-graphs"),
            MaxModelLen = section.Whole("max-model-len", Bounds.AtLeast(0)),
            MaxRestarts = section.Whole("max-restarts", Bounds.AtLeast(0)),
            RestartWindow = section.Duration("restart-window"),
            RestartPause = section.Duration("restart-pause"),
            MaxStepRetries = section.Whole("max-step-retries", Bounds.AtLeast(0)),
        };
        // Every running sequence takes a token of every step.
        return settings.MaxNumBatchedTokens >= settings.MaxNumSeqs
            ? settings
            : throw section.Invalid(
                "max-num-batched-tokens", $"at least max-num-seqs, which is {settings.MaxNumSeqs}");
    }
}
