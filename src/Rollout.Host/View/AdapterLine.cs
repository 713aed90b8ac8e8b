using Rollout.Gpu.Models;
using TorchSharp;

namespace Rollout.Host.View;

/// <summary>Says at the start of a run what its adapter is beside the model.</summary>
internal static class AdapterLine
{
    public static string Of(CausalLm model)
    {
        var (own, all) = (model.LearntParameterCount, model.BaseParameterCount);
        var bytes = model.Dtype.ElementSize();
        return FormattableString.Invariant(
            $"a LoRA adapter of {own:#,0} numbers is trained beside a model of {all:#,0} ({(double)own / all:0.00%})")
            + $": other hosts get {Figures.Bytes(own * bytes)} a step, not {Figures.Bytes(all * bytes)}";
    }
}
