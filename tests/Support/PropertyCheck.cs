using FsCheck;

namespace Rollout.Tests.Support;

/// <summary>
/// Runs FsCheck properties. A failure names its input and its seed; ROLLOUT_TEST_SEED=SEED,GAMMA runs that input again.
/// </summary>
public static class PropertyCheck
{
    /// <summary>Fails with the smallest counterexample that shrinking found, and with the seed of the first one.</summary>
    /// <param name="property">The property.</param>
    /// <param name="runs">Inputs that are tried.</param>
    /// <param name="size">The largest size of generated collections.</param>
    /// <param name="seed">"SEED,GAMMA" of an earlier failure; null takes ROLLOUT_TEST_SEED, or a new one without it.</param>
    public static void Holds(this Property property, int runs = 100, int size = 100, string? seed = null)
    {
        var config = Config.QuickThrowOnFailure.WithMaxTest(runs).WithEndSize(size);
        if (Seed(seed ?? Environment.GetEnvironmentVariable("ROLLOUT_TEST_SEED")) is { } start)
            config = config.WithReplay(start.Value, start.Gamma);
        try
        {
            property.Check(config);
        }
        catch (Exception failure) when (ReplayOf(failure.Message) is { } replay)
        {
            throw new PropertyFailedException($"{failure.Message}\nTo run this input again: ROLLOUT_TEST_SEED={replay}", failure);
        }
    }

    private static (ulong Value, ulong Gamma)? Seed(string? text) =>
        text?.Split(',') is [var value, var gamma] ? (ulong.Parse(value), ulong.Parse(gamma)) : null;

    /// <summary>FsCheck says "… (StdGen (123,456)):", or "(123,456)" in later releases.</summary>
    private static string? ReplayOf(string message)
    {
        var match = System.Text.RegularExpressions.Regex.Match(message, @"\((\d+),\s*(\d+)\)");
        return match.Success ? $"{match.Groups[1].Value},{match.Groups[2].Value}" : null;
    }
}

/// <summary>A property does not hold. The message has the counterexample and the seed.</summary>
public sealed class PropertyFailedException(string message, Exception cause) : Exception(message, cause);
