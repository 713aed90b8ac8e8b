using System.Security.Cryptography;
using System.Text.Json;
using Rollout.Gpu.Contracts;
using Rollout.Host.Cluster;
using Rollout.Host.Invocation;

namespace Rollout.Host.Generate;

/// <summary>
/// Everything that the lines of generate's output depend on. Two runs of the same name write the same file, so that one
/// can go on with what the other has left.
/// </summary>
/// <param name="Prompts">The prompts with their sampling parameters, the seed included.</param>
/// <param name="Model">The model's shape, tokenizer and, where its folder has them, weights.</param>
/// <param name="Weights">The weights of a trainer, which are in no folder; null where the model's folder has them.</param>
/// <param name="Engine">The sizes of blocks, pool and batch are left out: they change nothing.</param>
internal sealed record GenerateRun(
    IReadOnlyList<PromptLine> Prompts, ModelFingerprint Model, Policy? Weights, EngineOptions Engine)
{
    /// <summary>A short text that is fit for a file's name.</summary>
    public string Name { get; } = Hash(new
    {
        Prompts = Prompts.Select(prompt => new { prompt.Id, prompt.Group.Prompt, prompt.Fields, Samples = Runs(prompt.Group.Samples) }),
        Model,
        Weights,
        Engine.Engine,
        Engine.Device,
        Engine.Dtype,
    });

    private static string Hash<T>(T content)
    {
        using var hash = SHA256.Create();
        using (var sink = new CryptoStream(Stream.Null, hash, CryptoStreamMode.Write))
            JsonSerializer.Serialize(sink, content);
        return Convert.ToHexStringLower(hash.Hash!.AsSpan(0, 6));
    }

    /// <summary>Equal neighbours once, with their number.</summary>
    private static IEnumerable<object> Runs(SamplingParams[] samples)
    {
        for (int start = 0, end; start < samples.Length; start = end)
        {
            for (end = start + 1; end < samples.Length && samples[end].MaxTokens == samples[start].MaxTokens; end++)
            {
            }
            yield return new { Count = end - start, Sample = samples[start] };
        }
    }
}
