using Rollout.Actors.Text;
using Rollout.Gpu.Contracts;
using Rollout.Host.Generate;

namespace Rollout.Host.Serve;

/// <summary>The model that a server has, as its requests see it.</summary>
internal sealed record ServedModel
{
    /// <summary>Its name in requests and answers.</summary>
    public required string Name { get; init; }

    /// <summary>The absolute path of its folder.</summary>
    public required string Folder { get; init; }

    /// <summary>Configuration, tokenizer and chat format.</summary>
    public required ModelFiles Files { get; init; }

    /// <summary>The most tokens of a sequence, prompt included.</summary>
    public required int MaxModelLength { get; init; }

    /// <summary>How a sample is drawn where a request says nothing else. Its number of tokens is not used.</summary>
    public required SamplingParams Sampling { get; init; }

    /// <summary>When it was loaded, in seconds since 1970.</summary>
    public required long Loaded { get; init; }

    /// <summary>Null where the folder has none that can be used: answers then have token ids and no text.</summary>
    public HuggingFaceTokenizer? Tokenizer => Files.Tokenizer;
}
