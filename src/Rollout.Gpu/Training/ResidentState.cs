using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>The optimizer's state beside the weights, on their device.</summary>
internal sealed class ResidentState : IAdamWState
{
    private readonly IReadOnlyList<OptimizedParameter> _parameters;
    private readonly Tensor[] _masters;
    private readonly Tensor[] _means;
    private readonly Tensor[] _squares;

    /// <param name="parameters">What the optimizer changes.</param>
    public ResidentState(IReadOnlyList<OptimizedParameter> parameters)
    {
        _parameters = parameters;
        _masters = [.. parameters.Select(parameter => MasterOf(parameter.Value))];
        _means = [.. _masters.Select(Zeros)];
        _squares = [.. _masters.Select(Zeros)];
    }

    public int ChunkCount => 1;

    public Tensor Mean(int parameter) => _means[parameter];

    public Tensor Square(int parameter) => _squares[parameter];

    public Tensor Master(int parameter) => _masters[parameter];

    public IEnumerable<(int Parameter, AdamWPart Part)> PartsOf(int chunk, Func<int, Tensor?> gradient)
    {
        for (var i = 0; i < _parameters.Count; i++)
        {
            var (_, weight, decays) = _parameters[i];
            if (gradient(i) is { } sum)
                yield return (i, new AdamWPart(weight, _masters[i], _means[i], _squares[i], sum, decays));
        }
    }

    public void ForEachChunk(Action<int> update) => update(0);

    public void Settle()
    {
    }

    public void Dispose()
    {
        foreach (var tensor in _masters.Concat(_means).Concat(_squares))
            tensor.Dispose();
    }

    private static Tensor MasterOf(Tensor weight)
    {
        using var own = weight.detach();
        return (AdamW.IsNarrow(weight) ? own.to_type(ScalarType.Float32) : own.alias()).DetachFromDisposeScope();
    }

    private static Tensor Zeros(Tensor master) => zeros_like(master).DetachFromDisposeScope();
}
