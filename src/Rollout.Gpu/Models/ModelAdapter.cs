using static TorchSharp.torch;

namespace Rollout.Gpu.Models;

/// <summary>The adapter of one module of a checkpoint, on its way into a model.</summary>
/// <param name="Module">Its name, such as model.layers.0.self_attn.q_proj.</param>
/// <param name="Projection">The projection that holds its rows.</param>
/// <param name="Part">The matrices.</param>
internal sealed record AdaptedModule(string Module, Projection Projection, LoraPart Part);

/// <summary>
/// The LoRA adapter of a model. A model that has one learns nothing else, and its checkpoints and what it sends to other
/// hosts hold nothing else: the base's weights are shared and stay as they are.
/// </summary>
internal sealed class ModelAdapter
{
    private readonly LoraAdapter[] _adapters;

    /// <summary>Gives the projections their adapters, and takes the gradients from all other weights.</summary>
    /// <param name="model">A model without an adapter.</param>
    /// <param name="configuration">The text of adapter_config.json.</param>
    /// <param name="dropout">What its inputs lose while it learns.</param>
    /// <param name="modules">The modules in the order of the checkpoint, of rank 1 or more. Copied.</param>
    public ModelAdapter(
        CausalLm model, string configuration, LoraDropout dropout, IReadOnlyList<AdaptedModule> modules)
    {
        (Configuration, Dropout) = (configuration, dropout);
        var names = model.named_parameters().ToDictionary(
            entry => (object)entry.parameter, entry => entry.name, ReferenceEqualityComparer.Instance);
        foreach (var parameter in model.parameters())
            parameter.requires_grad_(false);
        var (leaves, tensors) = (new List<(string, Tensor)>(), new List<(string, Tensor)>());
        foreach (var group in modules.GroupBy(module => module.Projection))
        {
            var name = names[group.Key.Weight][..^".weight".Length];
            var adapter = new LoraAdapter(name, [.. group.Select(module => module.Part)], dropout);
            group.Key.Adapter = adapter;
            leaves.Add(($"{name}.lora_A", adapter.Shrink));
            foreach (var (module, part) in group.Zip(adapter.Parts))
            {
                leaves.Add(($"{module.Module}.lora_B", part.B));
                tensors.Add((NameOf(module.Module, 'A'), part.A));
                tensors.Add((NameOf(module.Module, 'B'), part.B));
            }
        }

        _adapters = [.. modules.Select(module => module.Projection.Adapter!).Distinct()];
        (Leaves, Tensors) = (leaves, tensors);
    }

    /// <summary>The text of adapter_config.json.</summary>
    public string Configuration { get; }

    public LoraDropout Dropout { get; }

    /// <summary>The tensors that an optimizer changes, with their names in the model.</summary>
    public IReadOnlyList<(string Name, Tensor Value)> Leaves { get; }

    /// <summary>The same numbers as tensors of PEFT's file: views of the leaves.</summary>
    public IReadOnlyList<(string Name, Tensor Value)> Tensors { get; }

    /// <summary>The name of a matrix in PEFT's file.</summary>
    /// <param name="module">The module's name.</param>
    /// <param name="matrix">A or B.</param>
    public static string NameOf(string module, char matrix) => $"base_model.model.{module}.lora_{matrix}.weight";

    /// <summary>The model computes as its base until the result is disposed of.</summary>
    public IDisposable Off()
    {
        Switch(isOn: false);
        return new On(this);
    }

    private void Switch(bool isOn)
    {
        foreach (var adapter in _adapters)
            adapter.IsOn = isOn;
    }

    private sealed class On(ModelAdapter adapter) : IDisposable
    {
        public void Dispose() => adapter.Switch(isOn: true);
    }
}
