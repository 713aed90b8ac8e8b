using System.Security.Cryptography;
using System.Text.Json;
using Rollout.Actors.Settings;
using Rollout.Gpu.Adapters;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Weights;

namespace Rollout.Host.Cluster;

/// <summary>
/// Identifies a model by a sample of its bytes. The members of a cluster compare theirs, so that nobody samples with another
/// model than it expects.
/// </summary>
/// <param name="Shape">A hash of the architecture's sizes.</param>
/// <param name="Tokenizer">A hash of tokenizer.json; "none" without one.</param>
/// <param name="Weights">The type and a hash of some bytes of every tensor and of the adapter; "any" matches all weights.</param>
public sealed record ModelFingerprint(string Shape, string Tokenizer, string Weights)
{
    private static readonly JsonSerializerOptions WithFields = new() { IncludeFields = true };

    /// <summary>The fingerprint of the configured model.</summary>
    /// <exception cref="CheckpointException">The model can't be loaded.</exception>
    public static ModelFingerprint Of(RolloutSettings settings) => OfFolder(settings.Model.Path) with
    {
        Weights = $"{settings.Dtype}-"
            + (settings.Model.Weights == WeightSource.Random ? $"random-{settings.Seed}" : Short(WeightFingerprint.Of(settings.Model.Path)))
            + AdapterOf(settings),
    };

    /// <summary>
    /// What a training run has of its initial model: architecture, tokenizer, chat format and weights, in any type.
    /// </summary>
    /// <exception cref="CheckpointException">The model can't be loaded.</exception>
    public static string ForRun(RolloutSettings settings)
    {
        var folder = settings.Model.Path;
        var weights = settings.Model.Weights == WeightSource.Random ? "random" : Short(WeightFingerprint.Of(folder));
        var chat = new[] { "tokenizer_config.json", "chat_template.jinja", "chat_template.json" }
            .Select(name => Path.Combine(folder, name))
            .Where(File.Exists)
            .Select(path => Short(SHA256.HashData(File.ReadAllBytes(path))));
        return string.Join(
            '/', [$"{OfFolder(folder) with { Weights = weights + AdapterOf(settings) }}", .. chat]);
    }

    /// <summary>The fingerprint of a folder's shape and tokenizer, which matches all weights.</summary>
    /// <exception cref="CheckpointException">The folder holds no model that can be loaded.</exception>
    public static ModelFingerprint OfFolder(string folder)
    {
        // Requests carry the tokens that end a sequence.
        var shape = ModelConfigReader.ReadFolder(folder) with { EosTokenIds = [], BosTokenId = null, PadTokenId = null };
        var tokenizer = Path.Combine(folder, "tokenizer.json");
        return new ModelFingerprint(
            Short(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(shape))),
            File.Exists(tokenizer) ? Short(SHA256.HashData(File.ReadAllBytes(tokenizer))) : "none",
            "any");
    }

    /// <summary>The difference to a cluster's model, as the end of a sentence; null where the two can work together.</summary>
    /// <param name="decoders">The fingerprint of the cluster's decoders, as <see cref="ToString"/> writes it.</param>
    public string? DifferenceFrom(string decoders)
    {
        if (decoders.Split('/') is not [var shape, var tokenizer, var weights])
            return "a model that this version doesn't know how to compare";
        return shape != Shape ? "a model of another shape (config.json)"
            : tokenizer != Tokenizer ? "another tokenizer (tokenizer.json)"
            : weights != Weights && Weights != "any" ? "other weights"
            : null;
    }

    public override string ToString() => $"{Shape}/{Tokenizer}/{Weights}";

    /// <summary>The hash of the adapter's files, or of what a new one is made of; "" without one.</summary>
    private static string AdapterOf(RolloutSettings settings) =>
        settings.Model.Adapter.Length > 0 ? $"-{Short(PeftAdapter.Fingerprint(settings.Model.Adapter))}"
        : settings.Lora.IsOn
            ? $"-{Short(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes((settings.Lora, settings.Seed), WithFields)))}"
        : "";

    private static string Short(byte[] hash) => Convert.ToHexStringLower(hash.AsSpan(0, 8));
}
