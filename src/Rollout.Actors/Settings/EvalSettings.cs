namespace Rollout.Actors.Settings;

/// <summary>The section <c>eval</c>: greedy evaluation on held-out prompts.</summary>
public sealed record EvalSettings
{
    /// <summary>Training steps between evaluations; 0 evaluates only before the first and after the last.</summary>
    public required int Every { get; init; }

    /// <summary>Held-out prompts of an evaluation; 0 takes all.</summary>
    public required int Prompts { get; init; }

    /// <summary>A completion is right at this reward or more.</summary>
    public required double RightAt { get; init; }

    /// <summary>The accuracy that ends the run; 0 trains all steps.</summary>
    public required double Target { get; init; }

    public static EvalSettings From(ConfigSection section) => new()
    {
        Every = section.Whole("every", Bounds.AtLeast(0)),
        Prompts = section.Whole("prompts", Bounds.AtLeast(0)),
        RightAt = section.Number("right-at", Bounds.Any),
        Target = section.Number("target", Bounds.Between(0, 1)),
    };
}
