using Rollout.Gpu.Interop;
using Rollout.Gpu.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Execution;

/// <summary>
/// The LoRA adapters of a model on a GPU: two products beside each adapted projection's own. One shrinks the input to
/// the ranks of all parts, the other expands them and adds the sum to the projection's result. The second matrix holds
/// every part's B in its own rows and ranks, and zeros elsewhere, so that one product serves all parts.
/// </summary>
internal sealed class AdapterProducts : IDisposable
{
    // Rows of 16 bytes at least, as the library's faster products want.
    private const int RankMultiple = 8;

    private readonly MatrixProducts _products;
    private readonly Device _device;
    private readonly Dictionary<Projection, Pair> _pairs = new(ReferenceEqualityComparer.Instance);
    private readonly DeviceMemory? _shrunk; // [rows, ranks] of the projection at hand

    /// <param name="model">Its adapters are copied; <see cref="Load"/> copies them again.</param>
    /// <param name="products">Products of the model's type.</param>
    /// <param name="rows">The most rows of a product.</param>
    /// <param name="elementBytes">Bytes of a number of the model's type.</param>
    /// <exception cref="CudaException">The device has too little memory.</exception>
    public AdapterProducts(CausalLm model, MatrixProducts products, int rows, int elementBytes)
    {
        (_products, _device) = (products, model.Device);
        foreach (var projection in model.Projections())
        {
            if (projection.Adapter is { } adapter)
                _pairs.Add(projection, new Pair(adapter, projection.Weight));
        }

        if (_pairs.Count == 0)
            return;
        _shrunk = new DeviceMemory((long)MatrixProducts.Room(rows) * _pairs.Values.Max(pair => pair.Ranks) * elementBytes);
        Load();
    }

    /// <summary>Copies the adapters' present values, and waits for that.</summary>
    public void Load()
    {
        if (_pairs.Count == 0)
            return;
        foreach (var pair in _pairs.Values)
            pair.Load();
        TorchTensors.Synchronize(_device);
    }

    /// <summary>Queues what a projection's adapter adds; nothing without one.</summary>
    /// <param name="output">[rows, outputs] the projection's result, changed.</param>
    /// <param name="projection">The projection.</param>
    /// <param name="input">[rows, inputs] its input.</param>
    /// <param name="rows">The number of rows.</param>
    /// <param name="wide">The output is float32, whatever the model's type.</param>
    public void AddTo(nint output, Projection projection, nint input, int rows, bool wide = false)
    {
        if (!_pairs.TryGetValue(projection, out var pair))
            return;
        _products.Multiply(input, pair.Shrink, _shrunk!.Pointer, rows);
        _products.Add(_shrunk.Pointer, pair.Expand, output, rows, pair.Factor, wide);
    }

    public void Dispose()
    {
        _shrunk?.Dispose();
        foreach (var pair in _pairs.Values)
            pair.Dispose();
    }

    private sealed class Pair : IDisposable
    {
        private readonly LoraAdapter _adapter;

        public Pair(LoraAdapter adapter, Tensor weight)
        {
            _adapter = adapter;
            Ranks = (int)(adapter.Shrink.size(0) + RankMultiple - 1) / RankMultiple * RankMultiple;
            Shrink = zeros(Ranks, weight.size(1), weight.dtype, weight.device).DetachFromDisposeScope();
            Expand = zeros(weight.size(0), Ranks, weight.dtype, weight.device).DetachFromDisposeScope();
        }

        /// <summary>The sum of the parts' ranks, rounded up.</summary>
        public int Ranks { get; }

        /// <summary>[ranks, inputs].</summary>
        public Tensor Shrink { get; }

        /// <summary>[outputs, ranks], over <see cref="Factor"/>.</summary>
        public Tensor Expand { get; }

        /// <summary>The first part's scale. Where parts differ in it, their B are multiplied by the rest.</summary>
        public double Factor => _adapter.Parts[0].Scale;

        public void Load()
        {
            using var untracked = no_grad();
            using var scope = NewDisposeScope();
            Shrink.narrow(0, 0, _adapter.Shrink.size(0)).copy_(_adapter.Shrink);
            var firstRank = 0L;
            foreach (var part in _adapter.Parts)
            {
                using var rest = (part.Scale / Factor).ToScalar();
                Expand.narrow(0, part.FirstRow, part.B.size(0)).narrow(1, firstRank, part.Rank).copy_(part.B.mul(rest));
                firstRank += part.Rank;
            }
        }

        public void Dispose()
        {
            Shrink.Dispose();
            Expand.Dispose();
        }
    }
}
