using System.Security.Cryptography;
using System.Text.Json;
using Rollout.Gpu.Contracts;
using Rollout.Host.Cluster;
using Rollout.Host.Invocation;

namespace Rollout.Host.Generate;

/// <summary>
/// Everything that the lines of generate's output depend on. Two runs of the same name write the same file, so that one
/// can go on where the other was killed.
/// </summary>
/// <param name="Prompts">With their sampling parameters, of which the seed is one.</param>
/// <param name="Model">Its shape, its tokenizer and, where they are those of its folder, its weights.</param>
/// <param name="Weights">A trainer's, which no folder has.</param>
/// <param name="Engine">Sizes of blocks, pool and batch are left out: they change nothing.</param>
internal sealed record GenerateRun(
    IReadOnlyList<PromptLine> Prompts, ModelFingerprint Model, Policy? Weights, EngineOptions Engine)
{
    /// <summary>Short, and fit for a file's name.</summary>
    public string Name
    {
        get
        {
            var content = JsonSerializer.SerializeToUtf8Bytes(
                new { Prompts, Model, Weights, Engine.Engine, Engine.Device, Engine.Dtype });
            return Convert.ToHexStringLower(SHA256.HashData(content).AsSpan(0, 6));
        }
    }
}
