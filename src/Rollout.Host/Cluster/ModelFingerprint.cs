using System.Security.Cryptography;
using System.Text.Json;
using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Weights;

namespace Rollout.Host.Cluster;

/// <summary>
/// Tells models apart without reading all of them: members of one cluster compare theirs before anybody samples with
/// the wrong one.
/// </summary>
/// <param name="Shape">Of the architecture's sizes.</param>
/// <param name="Tokenizer">Of tokenizer.json; "none" without one.</param>
/// <param name="Weights">Of some bytes of every tensor, and the type that is computed in; "any" where others' weights are taken.</param>
public sealed record ModelFingerprint(string Shape, string Tokenizer, string Weights)
{
    /// <summary>The fingerprint of the configured model.</summary>
    /// <exception cref="CheckpointException">There is none that can be loaded.</exception>
    public static ModelFingerprint Of(RolloutSettings settings) => OfFolder(settings.Model.Path) with
    {
        Weights = $"{settings.Dtype}-"
            + (settings.Model.Weights == WeightSource.Random ? $"random-{settings.Seed}" : Short(WeightFingerprint.Of(settings.Model.Path))),
    };

    /// <summary>Of a folder whose weights nobody reads: shape and tokenizer alone.</summary>
    /// <exception cref="CheckpointException">There is no model that can be loaded.</exception>
    public static ModelFingerprint OfFolder(string folder)
    {
        // Which tokens end a sequence is said with every request.
        var shape = ModelConfigReader.ReadFolder(folder) with { EosTokenIds = [], BosTokenId = null, PadTokenId = null };
        var tokenizer = Path.Combine(folder, "tokenizer.json");
        return new ModelFingerprint(
            Short(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(shape))),
            File.Exists(tokenizer) ? Short(SHA256.HashData(File.ReadAllBytes(tokenizer))) : "none",
            "any");
    }

    /// <summary>What differs, as the end of a sentence; null where the two can work together.</summary>
    /// <param name="decoders">The cluster's, in the words of <see cref="ToString"/>.</param>
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

    private static string Short(byte[] hash) => Convert.ToHexStringLower(hash.AsSpan(0, 8));
}
