namespace Rollout.Actors.Rewards;

/// <summary>Reading what a prompt brings for its rewards.</summary>
internal static class RewardFields
{
    /// <exception cref="InvalidDataException">The prompt has no such field.</exception>
    public static string Require(this ScoredSample sample, string field) =>
        sample.Item.Fields.TryGetValue(field, out var value)
            ? value
            : throw new InvalidDataException(
                $"prompt {sample.Item.Id} has no field \"{field}\", which its reward needs");
}
