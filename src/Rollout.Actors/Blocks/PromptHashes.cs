using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Blocks;

/// <summary>
/// Computes the hashes of a prompt's full blocks. A deferred prompt comes again with each demand, so the last result is
/// kept.
/// </summary>
/// <param name="blockSize">Tokens of a block.</param>
/// <param name="isOn">False without prefix caching.</param>
internal sealed class PromptHashes(int blockSize, bool isOn)
{
    private ReadOnlyMemory<int> _tokens;
    private PolicyVersion _version;
    private BlockHash[] _hashes = [];

    /// <summary>One hash a full block; none without prefix caching.</summary>
    public BlockHash[] Of(ReadOnlyMemory<int> tokens, PolicyVersion version)
    {
        if (isOn && (version != _version || !tokens.Span.SequenceEqual(_tokens.Span)))
        {
            _hashes = BlockHash.Chain(tokens.Span, blockSize, version);
            (_tokens, _version) = (tokens, version);
        }

        return _hashes;
    }
}
