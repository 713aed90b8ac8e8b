using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Rollout.Host.Invocation;

namespace Rollout.Host.Engine;

/// <summary>Options of the command line as overrides of the configuration; what was not given keeps its default.</summary>
public sealed class EngineOverrides
{
    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private const int SequencesOnGpu = 512;
    private const int BatchedTokensOnGpu = 8192;

    private readonly List<string> _values = [];

    /// <summary>Each <c>key="value"</c>, in their order: the last of a key wins.</summary>
    public IReadOnlyList<string> Values => _values;

    /// <summary>Adds a key, unless the value is null.</summary>
    public EngineOverrides Add(string key, IFormattable? value) => Add(key, value?.ToString(null, CultureInfo.InvariantCulture));

    /// <inheritdoc cref="Add(string, IFormattable?)"/>
    public EngineOverrides Add(string key, string? value)
    {
        if (value is not null)
            _values.Add($"{key}={JsonSerializer.Serialize(value, Plain)}"); // HOCON quotes as JSON does
        return this;
    }

    /// <summary>Adds what generate and bench share.</summary>
    /// <param name="model">The model's folder, as given.</param>
    /// <param name="engine">The engine's options.</param>
    public EngineOverrides Add(string? model, EngineOptions engine)
    {
        // Whoever names no number of blocks wants sequences to run, not a small process.
        Add("blocks.memory", "4GiB");
        Add("model.path", model is null ? null : Path.GetFullPath(model));
        Add("engine", engine.Engine);
        Add("device", engine.Device);
        Add("dtype", engine.Dtype);
        Add("blocks.block-size", engine.BlockSize);
        Add("blocks.count", engine.KvBlocks);
        // A GPU reads the weights once for all sequences of a step, and has memory for many.
        var isCuda = engine.Device?.StartsWith("cuda", StringComparison.Ordinal) == true;
        var sequences = engine.MaxNumSeqs ?? (isCuda ? SequencesOnGpu : null);
        Add("decoder.max-num-seqs", sequences);
        if (isCuda || sequences > 2048)
            Add("decoder.max-num-batched-tokens", Math.Max(sequences ?? 0, isCuda ? BatchedTokensOnGpu : 0));
        return this;
    }
}
