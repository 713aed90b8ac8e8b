namespace Rollout.Actors.Settings;

/// <summary>A key of the effective configuration.</summary>
/// <param name="Key">Its full name, such as <c>rollout.train.steps</c>.</param>
/// <param name="Value">Its value in HOCON.</param>
/// <param name="Origin">Where the value is written: <c>FILE:LINE</c>, or the option of the command line.</param>
/// <param name="IsDefault">Nobody has set it: it is the reference's.</param>
public sealed record ConfigEntry(string Key, string Value, string Origin, bool IsDefault);
