using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Rollout.Host.Invocation;

namespace Rollout.Host.Engine;

/// <summary>Converts options of generate and bench to settings of the configuration. Options that are not given keep its values.</summary>
internal sealed class EngineOverrides
{
    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A user who gives no number of blocks wants sequences to run, not a small process.</summary>
    public const string DefaultPool = "4GiB";

    private const int SequencesOnGpu = 512;
    private const int BatchedTokensOnGpu = 8192;

    private readonly List<(string Option, string Setting)> _values = [];

    /// <summary>Each option with its <c>key="value"</c>; the last of a key wins.</summary>
    public IReadOnlyList<(string Option, string Setting)> Values => _values;

    /// <summary>Adds a setting, unless the value is null.</summary>
    /// <param name="option">The option, or the command whose default it is; errors name it.</param>
    /// <param name="key">The key that it sets.</param>
    /// <param name="value">Its value.</param>
    public EngineOverrides Add(string option, string key, IFormattable? value) =>
        Add(option, key, value?.ToString(null, CultureInfo.InvariantCulture));

    /// <inheritdoc cref="Add(string, string, IFormattable?)"/>
    public EngineOverrides Add(string option, string key, string? value)
    {
        if (value is not null)
            _values.Add((option, $"{key}={JsonSerializer.Serialize(value, Plain)}")); // HOCON quotes as JSON does
        return this;
    }

    /// <summary>Adds the options that generate and bench share.</summary>
    /// <param name="model">The model's folder, as given.</param>
    /// <param name="engine">The engine's options.</param>
    /// <param name="pool">The size of the pool on a CPU; null leaves it to the configuration.</param>
    public EngineOverrides Add(string? model, EngineOptions engine, string? pool = DefaultPool)
    {
        Add("the default pool", "blocks.memory", pool);
        Add("--model", "model.path", model is null ? null : Path.GetFullPath(model));
        Add("--engine", "engine", engine.Engine);
        Add("--device", "device", engine.Device);
        Add("--dtype", "dtype", engine.Dtype);
        Add("--block-size", "blocks.block-size", engine.BlockSize);
        Add("--kv-blocks", "blocks.count", engine.KvBlocks);
        // A GPU reads the weights once for all sequences of a step, and has memory for many.
        var isCuda = engine.Device?.StartsWith("cuda", StringComparison.Ordinal) == true;
        var sequences = engine.MaxNumSeqs ?? (isCuda ? SequencesOnGpu : null);
        Add("--max-num-seqs", "decoder.max-num-seqs", sequences);
        if (isCuda || sequences > 2048)
        {
            Add("--max-num-seqs", "decoder.max-num-batched-tokens",
                Math.Max(sequences ?? 0, isCuda ? BatchedTokensOnGpu : 0));
        }
        return this;
    }
}
