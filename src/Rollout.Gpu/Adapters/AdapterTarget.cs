using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;

namespace Rollout.Gpu.Adapters;

/// <summary>A module that a configuration selects.</summary>
/// <param name="Module">Its name in the checkpoint.</param>
/// <param name="Weight">Its rows in the stacked projection.</param>
/// <param name="Projection">The projection that has its rows.</param>
/// <param name="Rank">The adapter's rank; 0 adds nothing.</param>
/// <param name="Scale">The factor of the adapter's sum.</param>
internal sealed record AdapterTarget(
    string Module, CheckpointTensor Weight, Projection Projection, int Rank, double Scale)
{
    public long Outputs => Weight.Shape[0];

    public long Inputs => Weight.Shape[1];

    /// <summary>The targets in the order of the checkpoint.</summary>
    /// <exception cref="CheckpointException">The configuration selects nothing, or what can't have an adapter.</exception>
    public static IReadOnlyList<AdapterTarget> Of(CausalLm model, PeftConfig config)
    {
        var projections = model.Projections().ToArray();
        var targets = new List<AdapterTarget>();
        foreach (var weight in model.CheckpointTensors().Where(weight => weight.Kind == WeightKind.Matrix))
        {
            var module = weight.Name[..^".weight".Length];
            if (!config.Targets(module))
                continue;
            var projection = projections.FirstOrDefault(each => ReferenceEquals(each.Weight, weight.Storage))
                ?? throw config.Invalid("target_modules", $"selects {module}, and only projections can have an adapter");
            var (rank, scale) = config.SizeOf(module);
            targets.Add(new AdapterTarget(module, weight, projection, rank, scale));
        }

        return targets.Count > 0
            ? targets
            : throw config.Invalid("target_modules", $"selects no projection of this {model.Config.ModelType} model");
    }
}
