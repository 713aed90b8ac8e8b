using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Blocks;

/// <summary>The blocks of one sequence, in the order of its tokens. Sized for its longest, so that growing is free.</summary>
internal sealed class BlockTable
{
    private readonly BlockId[] _blocks;

    public BlockTable(SequenceId sequence, AdmittedPrompt prompt, BlockId[] blocks, int capacity)
    {
        Sequence = sequence;
        Prompt = prompt;
        Tokens = prompt.Tokens;
        _blocks = new BlockId[capacity];
        blocks.CopyTo(_blocks, 0);
        Count = blocks.Length;
    }

    public SequenceId Sequence { get; }

    public AdmittedPrompt Prompt { get; }

    /// <summary>Tokens that have a slot: the admitted ones and those it was grown for.</summary>
    public int Tokens { get; set; }

    public int Count { get; private set; }

    /// <summary>The last reservation that grew it.</summary>
    public long GrownIn { get; set; }

    public ReadOnlySpan<BlockId> Blocks => _blocks.AsSpan(0, Count);

    public BlockId this[int index]
    {
        get => Blocks[index];
        set => _blocks[index] = value;
    }

    public void Append(BlockId block) => _blocks[Count++] = block;
}

/// <summary>What the members of one admission have in common.</summary>
/// <param name="attempt">The admission's attempt.</param>
/// <param name="version">The policy under which it was admitted.</param>
/// <param name="tokens">Admitted tokens.</param>
/// <param name="maxLength">Tokens of one member at most.</param>
/// <param name="hashes">[tokens / block size] the hashes of the full blocks; empty without prefix caching.</param>
/// <param name="hits">How many of them were hits.</param>
internal sealed class AdmittedPrompt(
    int attempt, PolicyVersion version, int tokens, int maxLength, BlockHash[] hashes, int hits)
{
    public int Attempt => attempt;

    public PolicyVersion Version => version;

    public int Tokens => tokens;

    public int MaxLength => maxLength;

    public ReadOnlySpan<BlockHash> Hashes => hashes;

    /// <summary>Leading full blocks whose KV is known to be written.</summary>
    public int WrittenBlocks { get; set; } = hits;
}
