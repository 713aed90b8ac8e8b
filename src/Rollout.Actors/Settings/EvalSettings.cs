using System.Globalization;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Settings;

/// <summary>The section <c>eval</c>: evaluation on held-out prompts.</summary>
public sealed record EvalSettings
{
    /// <summary>
    /// A reward counts as <see cref="RightAt"/> when it is below it by no more than this share: sums of weighted rewards are
    /// rounded, and judges outside of this process may count in float32.
    /// </summary>
    private const double Tolerance = 1e-6;

    /// <summary>Training steps between evaluations; 0 evaluates only before the first and after the last.</summary>
    public required int Every { get; init; }

    /// <summary>Prompts of each set in an evaluation; 0 takes all.</summary>
    public required int Prompts { get; init; }

    /// <summary>Samples of each prompt at <see cref="Temperature"/>, beside the greedy one.</summary>
    public required int Samples { get; init; }

    /// <summary>The divisor of the logits for these samples.</summary>
    public required double Temperature { get; init; }

    /// <summary>The k of pass@k, 1 … <see cref="Samples"/>, in ascending order; empty where there are no samples.</summary>
    public required IReadOnlyList<int> PassAt { get; init; }

    /// <summary>A completion is right at this reward or more.</summary>
    public required double RightAt { get; init; }

    /// <summary>The accuracy that ends the run; 0 trains all steps.</summary>
    public required double Target { get; init; }

    /// <summary>Sets of prompts beside those that the training data hold out.</summary>
    public required IReadOnlyList<EvalSetSettings> Sets { get; init; }

    /// <param name="section">The section <c>eval</c>.</param>
    /// <param name="data">The section <c>data</c>, which has the defaults of every dataset.</param>
    /// <exception cref="ConfigurationException">A value is wrong, or does not fit another one.</exception>
    public static EvalSettings From(ConfigSection section, ConfigSection data)
    {
        // With the greedy sample, a group of 65,536.
        var samples = section.Whole("samples", Bounds.Between(0, 65_535));
        var temperature = section.Number("temperature", Bounds.Between(0, 100));
        if (samples > 0 && temperature < SamplingParams.GreedyBelow)
        {
            throw section.Invalid(
                "temperature",
                $"at least {SamplingParams.GreedyBelow:0.#####}, as {section.Name("samples")} is {samples} and lower ones sample"
                + " greedily");
        }
        return new EvalSettings
        {
            Every = section.Whole("every", Bounds.AtLeast(0)),
            Prompts = section.Whole("prompts", Bounds.AtLeast(0)),
            Samples = samples,
            Temperature = temperature,
            PassAt = PassAtOf(section, samples),
            RightAt = section.Number("right-at", Bounds.Any),
            Target = section.Number("target", Bounds.Between(0, 1)),
            Sets = EvalSetSettings.From(section, data),
        };
    }

    /// <summary>True for a reward of at least <see cref="RightAt"/>; false for NaN, which no function gave.</summary>
    public bool IsRight(double reward) => reward >= RightAt - (Tolerance * Math.Abs(RightAt));

    private static int[] PassAtOf(ConfigSection section, int samples)
    {
        const string Key = "pass-at";
        var texts = section.Texts(Key);
        if (texts.Count == 0)
            return samples > 0 ? [samples] : [];
        var numbers = new SortedSet<int>();
        foreach (var text in texts)
        {
            if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var k) || k < 1)
                throw section.Invalid(Key, "a list of whole numbers of at least 1");
            numbers.Add(k);
        }
        return numbers.Max <= samples
            ? [.. numbers]
            : throw section.Invalid(
                Key, $"numbers of at most {samples}, not {numbers.Max}, as {section.Name("samples")} is {samples}");
    }
}
