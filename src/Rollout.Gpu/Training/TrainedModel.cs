using Rollout.Gpu.Adapters;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Weights;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// The checkpoints of a model that a trainer changes: its weights, or its adapter as PEFT writes it, and the optimizer's
/// state.
/// </summary>
/// <param name="model">The weights.</param>
/// <param name="optimizer">Changes them.</param>
internal sealed class TrainedModel(CausalLm model, AdamW optimizer)
{
    /// <summary>The optimizer's state in a checkpoint folder.</summary>
    public const string OptimizerFile = "optimizer.safetensors";

    /// <summary>Writes a checkpoint, complete or not at all.</summary>
    /// <param name="folder">The checkpoint's folder.</param>
    /// <param name="progress">Where the run stands.</param>
    /// <param name="source">The folder that the tokenizer's files are copied from; null copies none.</param>
    /// <param name="writeMore">Writes further files into the folder that it is given.</param>
    /// <exception cref="NotFiniteNumberException">A weight or moment is not finite, and nothing is written.</exception>
    /// <exception cref="IOException">The disk did not take it.</exception>
    public void Save(string folder, TrainingProgress progress, string? source, Action<string>? writeMore = null)
    {
        if (optimizer.FirstBrokenState() is { } broken)
            throw new NotFiniteNumberException($"{broken} is not finite, and no such checkpoint is saved.");
        CheckpointStore.Write(folder, progress, unfinished =>
        {
            if (model.Adapter is null)
                HuggingFaceModel.WriteInto(model, unfinished, source);
            else
                PeftAdapter.WriteInto(model, unfinished, source);
            optimizer.Save(Path.Combine(unfinished, OptimizerFile));
            writeMore?.Invoke(unfinished);
        });
    }

    /// <summary>Takes over the optimizer's state of a checkpoint, whose weights the model has.</summary>
    /// <exception cref="CheckpointException">The state is not of this model.</exception>
    public void LoadOptimizer(string folder)
    {
        if (optimizer.Load(Path.Combine(folder, OptimizerFile)))
            return;
        using var scope = NewDisposeScope();
        if (model.Adapter is not null)
        {
            optimizer.TakeMasters(PeftAdapter.ReadLeaves(model, folder));
            return;
        }

        using var exact = HuggingFaceModel.Load(folder, ScalarType.Float32, CPU);
        optimizer.TakeMasters(OptimizedParameter.Of(exact).Select(parameter => parameter.Value));
    }
}
