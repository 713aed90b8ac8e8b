using Rollout.Actors.Settings;
using Rollout.Gpu.Weights;
using Rollout.Host.Cluster;

namespace Rollout.Host.Jobs;

/// <summary>
/// The model that a run starts from. Where its folder is gone, a resumed run that needs no reference policy and trains no
/// adapter takes the copy in its checkpoint: the weights are there anyway.
/// </summary>
/// <param name="Settings">The settings with the folder of the model's configuration and tokenizer.</param>
/// <param name="Companions">The folder whose tokenizer files later checkpoints get.</param>
/// <param name="Fingerprint">Identifies the initial policy.</param>
/// <param name="Notice">A warning that the folder is gone; null where it is there.</param>
internal sealed record RunModel(RolloutSettings Settings, string Companions, string Fingerprint, string? Notice)
{
    /// <param name="tree">The configuration, for messages.</param>
    /// <param name="settings">What was read from it.</param>
    /// <param name="resumed">The checkpoint that the run continues; null where it begins.</param>
    /// <param name="needsReference">The run compares its policy with the initial one.</param>
    /// <exception cref="ConfigurationException">There is no such folder, and no copy that would do.</exception>
    public static RunModel Find(ConfigTree tree, RolloutSettings settings, ResumePoint? resumed, bool needsReference)
    {
        var path = settings.Model.Path;
        if (Directory.Exists(path))
            return new RunModel(settings, path, ModelFingerprint.ForRun(settings), Notice: null);
        if (resumed?.Progress.Fingerprint?.GetValueOrDefault(RunFingerprint.Model) is not { } fingerprint
            || needsReference || settings.TrainsAdapter)
        {
            throw tree.Rollout.Section("model").Invalid("path", "the folder of a model");
        }

        // The checkpoint may be removed when there are newer ones.
        var copy = Directory.CreateDirectory(Path.Combine(resumed.Folder.Path, "model")).FullName;
        HuggingFaceModel.CopyCompanions(resumed.Checkpoint, copy);
        return new RunModel(
            settings with { Model = settings.Model with { Path = resumed.Checkpoint } },
            copy,
            fingerprint,
            $"WARNING '{path}', which the run started from, is gone: tokenizer and configuration are those of the checkpoint");
    }
}
