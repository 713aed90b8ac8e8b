using Rollout.Actors.Settings;

namespace Rollout.Actors.Training;

/// <summary>Says why a step has fewer groups to train on than it asks for.</summary>
/// <param name="settings">The section train.</param>
internal sealed class StepShortfall(TrainerSettings settings)
{
    private readonly DynamicSampling _sampling = settings.DynamicSampling;

    /// <summary>Why a step has nothing to train on; null if it has.</summary>
    public string? WhyNothing(RoundGroups groups) => groups switch
    {
        { Scored.Count: > 0 } => null,
        { Dropped.Count: > 0 } => $"none of the {groups.Drawn} groups that it drew has {_sampling.Signal}"
            + $" ({_sampling.Bound}): the prompts are too easy or too hard for this policy",
        _ => groups.WhyAllFailed(),
    };

    /// <summary>Why dynamic sampling left a step with fewer groups than it asks for; null if it did not.</summary>
    public string? WhyFew(RoundGroups groups)
    {
        var (kept, wanted) = (groups.Scored.Count, settings.PromptsPerStep);
        return _sampling.Enabled && kept < wanted
            ? $"trains on {kept} of {wanted} groups: no more of the {groups.Drawn} that it drew has {_sampling.Signal}"
                + $" ({_sampling.Bound})"
            : null;
    }
}
