using Rollout.Gpu.Models;

namespace Rollout.Gpu.Training;

/// <summary>The policy that the KL term compares with.</summary>
internal interface IReferencePolicy
{
    /// <summary>Computes with the reference on the policy's device.</summary>
    T Use<T>(Func<ICompletionPass, T> compute);
}

/// <summary>The reference of a model with an adapter: the same model with the adapter off, which takes no memory.</summary>
/// <param name="adapter">The model's adapter.</param>
/// <param name="policy">Computes with the model.</param>
internal sealed class BasePolicy(ModelAdapter adapter, ICompletionPass policy) : IReferencePolicy
{
    /// <inheritdoc/>
    public T Use<T>(Func<ICompletionPass, T> compute)
    {
        using var off = adapter.Off();
        return compute(policy);
    }
}
