using System.Globalization;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Settings;

/// <summary>Reads the section <c>lora</c>: the new adapter that training learns.</summary>
internal static class LoraSettings
{
    private const string AllLinear = "all-linear";

    /// <exception cref="ConfigurationException">A value is of the wrong type or out of its range.</exception>
    public static LoraOptions From(ConfigSection section)
    {
        var targets = section.Texts("target-modules");
        if (targets.Count == 0 || (targets.Contains(AllLinear) && targets.Count > 1))
            throw section.Invalid("target-modules", $"names of modules such as [q_proj, v_proj], or [{AllLinear}]");
        return new LoraOptions
        {
            R = section.Whole("r", Bounds.Between(0, 1024)),
            LoraAlpha = section.Number("lora-alpha", Bounds.Above(0)),
            TargetModules = targets,
            ExcludeModules = section.Texts("exclude-modules"),
            LayersToTransform = [.. section.Texts("layers-to-transform").Select(Layer)],
            LoraDropout = section.Number("lora-dropout", Bounds.FromBelow(0, 1)),
            UseRslora = section.Bool("use-rslora"),
        };

        int Layer(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var layer)
            ? layer
            : throw section.Invalid("layers-to-transform", "a list of layers, from 0");
    }
}
