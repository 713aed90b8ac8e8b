using static TorchSharp.torch;

namespace Rollout.Gpu.Weights;

/// <summary>Looks for numbers that are not finite in weights and optimizer state.</summary>
internal static class FiniteCheck
{
    /// <summary>Waits for the device once where all numbers are finite, which a sum of each tensor tells.</summary>
    /// <param name="tensors">Names and values on one device.</param>
    /// <returns>The name of the first tensor that holds NaN or an infinity; null where none does.</returns>
    public static string? FirstBroken(IEnumerable<(string Name, Tensor Values)> tensors)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var all = tensors.ToArray();
        if (all.Length == 0)
            return null;
        var sums = stack(all.Select(tensor => tensor.Values.detach().sum(ScalarType.Float32))).cpu();
        var suspects = sums.data<float>().ToArray();
        // Finite numbers may add up to infinity: a second look decides.
        return all.Where((tensor, i) => !float.IsFinite(suspects[i]) && !IsFinite(tensor.Values))
            .Select(tensor => tensor.Name)
            .FirstOrDefault();
    }

    private static bool IsFinite(Tensor values)
    {
        using var scope = NewDisposeScope();
        return values.detach().isfinite().all().cpu().item<bool>();
    }
}
