using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Weights;

namespace Rollout.Host.Serve;

/// <summary>Replaces a server's weights by those of folders. What can't be loaded leaves the weights as they were.</summary>
/// <param name="weights">The weights, which no decoder may read meanwhile.</param>
/// <param name="settings">Where the present weights come from.</param>
internal sealed class FolderWeights(PolicyWeights weights, RolloutSettings settings)
{
    private string? _present = settings.Model.Weights == WeightSource.Random ? null : settings.Model.Path;

    /// <summary>Loads a folder's weights, off the caller's thread.</summary>
    /// <exception cref="CheckpointException">They can't be loaded, and nothing has changed.</exception>
    public Task LoadAsync(string folder, PolicyVersion version) => Task.Run(() =>
    {
        try
        {
            HuggingFaceModel.Verify(folder);
            HuggingFaceModel.LoadInto(weights.Model, folder);
        }
        catch (Exception cause) when (cause is CheckpointException or IOException or UnauthorizedAccessException)
        {
            Restore();
            throw new CheckpointException(cause.Message, cause);
        }
        weights.Publish(version);
        _present = folder;
    });

    private void Restore()
    {
        try
        {
            if (_present is null)
                weights.Model.InitializeRandom(settings.Seed);
            else
                HuggingFaceModel.LoadInto(weights.Model, _present);
        }
        catch (CheckpointException gone)
        {
            throw new InvalidOperationException($"the weights before can't be loaded again: {gone.Message}", gone);
        }
    }
}
