namespace Rollout.Actors.Settings;

/// <summary>Where a model's weights come from.</summary>
public enum WeightSource
{
    /// <summary>The checkpoint in the model's folder.</summary>
    Checkpoint,

    /// <summary>The run's seed; the folder gives only configuration and tokenizer.</summary>
    Random,
}

/// <summary>The section <c>model</c>.</summary>
public sealed record ModelSettings
{
    /// <summary>A Hugging Face directory, absolute; "" where none is named.</summary>
    public required string Path { get; init; }

    public required WeightSource Weights { get; init; }

    public static ModelSettings From(ConfigSection section) => new()
    {
        Path = section.Text("path"),
        Weights = section.Choice<WeightSource>("weights"),
    };
}
