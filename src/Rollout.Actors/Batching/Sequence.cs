using Rollout.Actors.Protocol;
using Rollout.Actors.Text;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Batching;

/// <summary>One sample on its way: its tokens so far, and the blocks that hold their keys and values.</summary>
public sealed class Sequence
{
    private readonly List<float> _logprobs = [];
    private readonly List<VersionSpan> _versions = [];
    private readonly StopTextSearch? _stopTexts;
    private int[] _tokens;
    private int[] _blocks = [];

    /// <param name="group">The group it is a sample of.</param>
    /// <param name="sample">Its number there.</param>
    /// <param name="key">The key of its randomness.</param>
    /// <param name="age">Its group's place in the order of arrival: the youngest is preempted first.</param>
    /// <param name="stopTexts">Reads along for texts that end it; null where there are none.</param>
    public Sequence(GroupRequest group, int sample, ulong key, long age, StopTextSearch? stopTexts = null)
    {
        _stopTexts = stopTexts;
        Id = new SequenceId(group.Id, sample);
        Sampling = group.Samples[sample];
        Key = key;
        Age = age;
        PromptLength = group.Prompt.Length;
        _tokens = new int[PromptLength + Math.Min(Sampling.MaxTokens, 1024)];
        group.Prompt.CopyTo(_tokens, 0);
        Count = PromptLength;
    }

    public SequenceId Id { get; }

    public SamplingParams Sampling { get; }

    public ulong Key { get; }

    public long Age { get; }

    public int PromptLength { get; }

    public SequenceStatus Status { get; set; }

    public FinishReason Reason { get; private set; }

    /// <summary>The number of the admission under which it holds blocks.</summary>
    public int Admission { get; set; }

    /// <summary>The step that was planned last draws its next token.</summary>
    public bool DrawsNow { get; set; }

    /// <summary>Failed steps that it was part of since its last token.</summary>
    public int Failures { get; set; }

    /// <summary>Tokens, prompt and sampled.</summary>
    public int Count { get; private set; }

    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, Count);

    public ReadOnlySpan<int> Blocks => _blocks.AsSpan(0, BlockCount);

    public int BlockCount { get; private set; }

    /// <summary>Tokens at the end of its life at most.</summary>
    public int MaxLength => PromptLength + Sampling.MaxTokens;

    /// <summary>
    /// Takes a sampled token; the sequence is finished when it is a stop token, completes a stop text, or is the last
    /// one allowed.
    /// </summary>
    public void Append(int token, float logprob, PolicyVersion version)
    {
        if (Count == _tokens.Length)
            Array.Resize(ref _tokens, Math.Min(2 * Count, MaxLength));
        if (_versions.Count == 0 || _versions[^1].Version != version)
            _versions.Add(new VersionSpan(version, Count - PromptLength));
        _tokens[Count++] = token;
        _logprobs.Add(logprob);

        if (Sampling.StopTokenIds.AsSpan().Contains(token) || _stopTexts?.Append(token) == true)
            Finish(FinishReason.Stop);
        else if (Count == MaxLength)
            Finish(FinishReason.Length);
    }

    /// <summary>Holds these blocks from now on.</summary>
    public void TakeBlocks(ReadOnlySpan<BlockId> blocks)
    {
        BlockCount = 0;
        for (var i = 0; i < blocks.Length; i++)
            SetBlock(i, blocks[i]);
    }

    /// <summary>Exchanges an entry of the block table, or appends one.</summary>
    public void SetBlock(int index, BlockId block)
    {
        if (index > BlockCount)
            throw new InvalidOperationException($"{Id} has {BlockCount} blocks and is given one at {index}");
        if (index >= _blocks.Length)
            Array.Resize(ref _blocks, Math.Max(4, 2 * index));
        _blocks[index] = block.Value;
        BlockCount = Math.Max(BlockCount, index + 1);
    }

    /// <summary>Holds no blocks any more; keeps its tokens.</summary>
    public void DropBlocks() => BlockCount = 0;

    /// <summary>The finished sample.</summary>
    public Completion ToCompletion() =>
        new(Id.Sample, Tokens[PromptLength..].ToArray(), [.. _logprobs], [.. _versions], Reason);

    private void Finish(FinishReason reason)
    {
        Reason = reason;
        Status = SequenceStatus.Finished;
    }
}
