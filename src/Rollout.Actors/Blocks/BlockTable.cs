using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Blocks;

/// <summary>
/// The blocks of one sequence, in the order of its tokens. It has room for the greatest length, so growing allocates
/// nothing.
/// </summary>
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

    /// <summary>Tokens that have a slot.</summary>
    public int Tokens { get; set; }

    public int Count { get; private set; }

    /// <summary>The last reservation that listed it; catches duplicates.</summary>
    public long ListedIn { get; set; }

    public ReadOnlySpan<BlockId> Blocks => _blocks.AsSpan(0, Count);

    public BlockId this[int index]
    {
        get => Blocks[index];
        set => _blocks[index] = value;
    }

    public void Append(BlockId block) => _blocks[Count++] = block;
}

/// <summary>What the members of one admission have in common.</summary>
/// <param name="Admission">The admission.</param>
/// <param name="Version">The policy under which it was admitted.</param>
/// <param name="Tokens">Admitted tokens.</param>
/// <param name="MaxLength">The most tokens of one member.</param>
/// <param name="Hashes">[tokens / block size] of the full blocks; empty without prefix caching.</param>
internal sealed record AdmittedPrompt(
    AdmissionId Admission, PolicyVersion Version, int Tokens, int MaxLength, BlockHash[] Hashes);
