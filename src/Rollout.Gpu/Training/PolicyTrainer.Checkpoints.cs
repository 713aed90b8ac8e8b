using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Weights;

namespace Rollout.Gpu.Training;

// A trainer's checkpoints.
public sealed partial class PolicyTrainer
{
    /// <inheritdoc/>
    public long CheckpointBytes { get; }

    /// <summary>Bytes of a model's checkpoint, except small files: weights, optimizer, and a reference that changes.</summary>
    public static long CheckpointBytesOf(CausalLm model, GrpoOptions options)
    {
        var changes = model.Adapter is null && options.Loss.NeedsReference && options.Reference.SyncEvery > 0;
        return OptimizedParameter.Of(model).Select(parameter => parameter.Value).Sum(
            parameter => AdamW.StateBytesOf(parameter) + (parameter.numel() * parameter.element_size() * (changes ? 2 : 1)));
    }

    /// <inheritdoc/>
    public void Save(string folder, TrainingProgress progress)
    {
        RequireWhole();
        _trained.Save(
            folder, progress, _tokenizerFolder.Length == 0 ? null : _tokenizerFolder,
            unfinished => _reference?.Save(unfinished));
    }

    /// <summary>
    /// Continues a run from a checkpoint. The caller has verified the checkpoint (<see
    /// cref="CheckpointStore.ReadVerified"/>) and loaded its model into the weights, under the version of its step; their
    /// type may be another than the checkpoint's.
    /// </summary>
    /// <exception cref="ArgumentException">Beta is above 0, and there is neither a reference nor an adapter.</exception>
    /// <exception cref="CheckpointException">The state of optimizer or reference is not of this model.</exception>
    public static PolicyTrainer Resume(
        string folder,
        PolicyWeights weights,
        GrpoOptions options,
        string tokenizerFolder = "",
        CausalLm? reference = null,
        long logitElements = 0,
        IDeviceMemory? memory = null)
    {
        if (options.Loss.NeedsReference && reference is null && weights.Model.Adapter is null)
            throw new ArgumentException(
                "A resumed run with a KL term needs the initial policy as its reference.");
        var trainer = new PolicyTrainer(weights, options, tokenizerFolder, reference, logitElements, memory);
        try
        {
            trainer._trained.LoadOptimizer(folder);
            trainer._reference?.Load(folder);
            return trainer;
        }
        catch
        {
            trainer.Dispose();
            throw;
        }
    }
}
