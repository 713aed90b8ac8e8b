namespace Rollout.Actors.Settings;

/// <summary>The section <c>data.countdown</c>.</summary>
public sealed record CountdownSettings : DatasetSettings
{
    /// <summary>Training problems of an epoch.</summary>
    public required int Problems { get; init; }

    /// <summary>Held-out problems.</summary>
    public required int HeldOut { get; init; }

    /// <summary>The fewest numbers of a problem.</summary>
    public required int MinNumbers { get; init; }

    /// <summary>The most numbers of a problem.</summary>
    public required int MaxNumbers { get; init; }

    /// <summary>The largest number.</summary>
    public required int MaxNumber { get; init; }

    /// <summary>The largest target.</summary>
    public required int MaxTarget { get; init; }

    /// <summary>The fewest tries of a search.</summary>
    public required int MinTries { get; init; }

    /// <summary>The most tries of a search.</summary>
    public required int MaxTries { get; init; }

    /// <summary>The share of searches that give up.</summary>
    public required double GiveUp { get; init; }

    public static CountdownSettings From(ConfigSection section)
    {
        var (minNumbers, maxNumbers) = Range(section, "min-numbers", "max-numbers", Bounds.Between(3, 4));
        var (minTries, maxTries) = Range(section, "min-tries", "max-tries", Bounds.Between(1, 100));
        return new CountdownSettings
        {
            Problems = section.Whole("problems", Bounds.Between(1, 10_000_000)),
            HeldOut = section.Whole("held-out", Bounds.Between(0, 100_000)),
            MinNumbers = minNumbers,
            MaxNumbers = maxNumbers,
            MaxNumber = section.Whole("max-number", Bounds.Between(5, 99)),
            MaxTarget = section.Whole("max-target", Bounds.Between(10, 999)),
            MinTries = minTries,
            MaxTries = maxTries,
            GiveUp = section.Number("give-up", Bounds.Between(0.0, 1)),
        };
    }

    private static (int Least, int Most) Range(ConfigSection section, string least, string most, Bounds bounds)
    {
        var range = (Least: section.Whole(least, bounds), Most: section.Whole(most, bounds));
        return range.Least <= range.Most
            ? range
            : throw section.Invalid(least, $"a whole number of at most {most} = {range.Most}");
    }
}
