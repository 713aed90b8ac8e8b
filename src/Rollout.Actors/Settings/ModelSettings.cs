namespace Rollout.Actors.Settings;

/// <summary>The source of a model's weights.</summary>
public enum WeightSource
{
    /// <summary>The checkpoint in the model's folder.</summary>
    Checkpoint,

    /// <summary>Random weights from the run's seed. The folder gives only configuration and tokenizer.</summary>
    Random,
}

/// <summary>The section <c>model</c>: the initial policy.</summary>
public sealed record ModelSettings
{
    /// <summary>The absolute path of a Hugging Face folder; "" where it is not set.</summary>
    public required string Path { get; init; }

    public required WeightSource Weights { get; init; }

    /// <summary>The absolute path of a LoRA adapter's folder; "" without one.</summary>
    public required string Adapter { get; init; }

    public static ModelSettings From(ConfigSection section) => new()
    {
        Path = section.Text("path"),
        Weights = section.Choice<WeightSource>("weights"),
        Adapter = section.Text("adapter"),
    };

    /// <summary>Refuses an adapter where the model's own weights change.</summary>
    /// <param name="section">The section that the settings are from, for the message.</param>
    /// <exception cref="ConfigurationException">There is an adapter.</exception>
    public void RequireNoAdapter(ConfigSection section)
    {
        if (Adapter.Length > 0)
            throw section.Invalid("adapter", "\"\", as the model's own weights change");
    }
}
