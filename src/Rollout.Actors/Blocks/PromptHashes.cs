using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Blocks;

/// <summary>
/// The hashes by which a prompt's full blocks are found. A prompt that is deferred comes again every step: the last one
/// is remembered.
/// </summary>
/// <param name="blockSize">Tokens of a block.</param>
/// <param name="isOn">Off where no prompt is to hit anything.</param>
internal sealed class PromptHashes(int blockSize, bool isOn)
{
    private ReadOnlyMemory<int> _tokens;
    private PolicyVersion _version;
    private BlockHash[] _hashes = [];

    /// <summary>One hash a full block; none where it is off.</summary>
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
