using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Rollout.Gpu.Models;

/// <summary>Creates parameters that live as long as their module, whatever dispose scope is open.</summary>
internal static class ModelParameter
{
    public static Parameter Zeros(long[] shape, ScalarType dtype, Device device) =>
        Lasting(zeros(shape, dtype, device));

    public static Parameter Ones(long[] shape, ScalarType dtype, Device device) =>
        Lasting(ones(shape, dtype, device));

    private static Parameter Lasting(Tensor values)
    {
        var parameter = new Parameter(values, requires_grad: true);
        parameter.DetachFromDisposeScope();
        return parameter;
    }
}
