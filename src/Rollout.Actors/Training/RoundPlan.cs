using Rollout.Actors.Data;
using Rollout.Actors.Protocol;

namespace Rollout.Actors.Training;

/// <summary>
/// What a round draws: <see cref="Wanted"/> groups at first, then one for each that fails or is dropped. So it draws the
/// groups up to the last one that it keeps, in whatever order they are scored.
/// </summary>
/// <param name="Groups">The groups that may be drawn, in this order; each is made when it is drawn.</param>
internal sealed record RoundPlan(IEnumerable<(PromptItem Item, GroupRequest Request)> Groups)
{
    /// <summary>Groups to be kept; by default all of them.</summary>
    public int Wanted { get; init; } = int.MaxValue;

    /// <summary>Says which scored groups are kept; null keeps all.</summary>
    public Func<ScoredGroup, bool>? Keeps { get; init; }
}
