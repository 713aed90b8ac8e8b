using Rollout.Actors.Blocks;
using Rollout.Actors.Protocol;
using Rollout.Actors.Text;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Engine;

/// <summary>
/// A sample that is being decoded: its tokens so far, and the blocks that hold their keys and values.
/// </summary>
public sealed class Sequence
{
    private readonly SampledTokensBuilder _sampled;
    private readonly StopTextSearch? _stopTexts;
    private int[] _blocks = [];

    /// <param name="group">Its group.</param>
    /// <param name="start">Its number in the group, and the tokens that other decoders sampled.</param>
    /// <param name="key">The key of its randomness.</param>
    /// <param name="arrival">Its group's place in the order of arrival: the youngest is preempted first.</param>
    /// <param name="stopTexts">Finds texts that end it; null if there are none.</param>
    public Sequence(GroupRequest group, SampleStart start, ulong key, long arrival, StopTextSearch? stopTexts = null)
    {
        _stopTexts = stopTexts;
        Id = new SequenceId(group.Id, start.Sample);
        Sampling = group.Samples[start.Sample];
        Key = key;
        Arrival = arrival;
        PromptLength = group.Prompt.Length;
        _sampled = new SampledTokensBuilder(group.Prompt, Math.Min(Sampling.MaxTokens, 1024));
        _sampled.Append(start.Sampled);
        FinishIfLast(start.Sampled.Tokens);
    }

    public SequenceId Id { get; }

    public SamplingParams Sampling { get; }

    public ulong Key { get; }

    public long Arrival { get; }

    public int PromptLength { get; }

    /// <summary>The oldest first: those of earlier groups, and earlier samples of a group.</summary>
    public static Comparer<Sequence> ByAge { get; } = Comparer<Sequence>.Create(
        (one, other) => (one.Arrival, one.Id.Sample).CompareTo((other.Arrival, other.Id.Sample)));

    public SequenceStatus Status { get; set; }

    public bool IsFinished => Status == SequenceStatus.Finished;

    public bool HoldsBlocks => Status is SequenceStatus.Prefilling or SequenceStatus.Decoding;

    public FinishReason Reason { get; private set; }

    /// <summary>The admission that it last asked for; while it holds blocks, the one that gave them.</summary>
    public AdmissionId Admission { get; set; }

    /// <summary>Tokens that planned steps draw and that have not arrived.</summary>
    public int Pending { get; private set; }

    /// <summary>The last of the pending tokens, as an index into its step's draws.</summary>
    public int PendingDraw { get; private set; }

    /// <summary>Counts how often it started over from its tokens: draws of an earlier course are void.</summary>
    public int Course { get; private set; }

    /// <summary>The pending tokens are its last: no further step is planned for it.</summary>
    public bool IsDrawnOut => Count + Pending >= MaxLength;

    /// <summary>Failed steps since its last token that it may have caused.</summary>
    public int Failures { get; set; }

    /// <summary>One more failure fails its group. It has the step of its last try to itself.</summary>
    public bool IsOnLastTry { get; set; }

    /// <summary>Tokens of the prompt and sampled tokens.</summary>
    public int Count => PromptLength + _sampled.Count;

    public ReadOnlySpan<int> Tokens => _sampled.PromptAndSampled.Span;

    /// <inheritdoc cref="Tokens"/>
    public ReadOnlyMemory<int> TokenMemory => _sampled.PromptAndSampled;

    /// <summary>Tokens that it has sampled.</summary>
    public int SampledCount => _sampled.Count;

    public ReadOnlySpan<int> Blocks => _blocks.AsSpan(0, BlockCount);

    public int BlockCount { get; private set; }

    /// <summary>The most tokens that it can have, prompt included.</summary>
    public int MaxLength => PromptLength + Sampling.MaxTokens;

    /// <summary>
    /// Tokens in the cache after the step that is planned next, which computes the token drawn before it. The last
    /// token of all is never computed.
    /// </summary>
    public int LengthAfterNextStep => Math.Min(Count + Pending, MaxLength - 1);

    /// <summary>
    /// Appends a sampled token. The sequence is finished when it is a stop token, completes a stop text, or is the last
    /// one allowed.
    /// </summary>
    public void Append(int token, float logprob, Policy policy, float? samplingLogprob = null)
    {
        Pending = Math.Max(0, Pending - 1);
        // Only a token is progress: a prompt whose third chunk always fails would otherwise be tried for ever.
        (Failures, IsOnLastTry) = (0, false);
        _sampled.Append(token, logprob, policy, samplingLogprob);
        FinishIfLast([token]);
    }

    /// <summary>Expects its next token from this draw of a planned step.</summary>
    public void Await(int draw)
    {
        Pending++;
        PendingDraw = draw;
    }

    /// <summary>Goes on from the tokens that it has, without the pending ones.</summary>
    public void StartOver()
    {
        Course++;
        Pending = 0;
    }

    /// <summary>Gives it these blocks.</summary>
    public void TakeBlocks(ReadOnlySpan<BlockId> blocks)
    {
        BlockCount = 0;
        for (var i = 0; i < blocks.Length; i++)
            SetBlock(i, blocks[i]);
    }

    /// <summary>Replaces an entry of the block table, or appends one.</summary>
    public void SetBlock(int index, BlockId block)
    {
        if (index > BlockCount)
            throw new InvalidOperationException($"{Id} has {BlockCount} blocks and is given one at {index}");
        if (index >= _blocks.Length)
            Array.Resize(ref _blocks, Math.Max(4, 2 * index));
        _blocks[index] = block.Value;
        BlockCount = Math.Max(BlockCount, index + 1);
    }

    /// <summary>Takes its blocks away. It keeps its tokens.</summary>
    public void DropBlocks() => BlockCount = 0;

    /// <summary>A copy of some of the sampled tokens.</summary>
    public SampledTokens Sampled(int start, int count) => _sampled.Slice(start, count);

    /// <summary>The finished sample.</summary>
    public Completion ToCompletion() => new(Id.Sample, _sampled.ToSampledTokens(), Reason);

    /// <summary>What another decoder needs to go on.</summary>
    public SampleStart ToStart() => new(Id.Sample, _sampled.ToSampledTokens());

    /// <summary>Finishes at the first of the appended tokens that stops it, or at the greatest length.</summary>
    private void FinishIfLast(ReadOnlySpan<int> appended)
    {
        foreach (var token in appended)
        {
            if (!Sampling.StopTokenIds.AsSpan().Contains(token) && _stopTexts?.Append(token) != true)
                continue;
            Finish(FinishReason.Stop);
            return;
        }
        if (Count == MaxLength)
            Finish(FinishReason.Length);
    }

    private void Finish(FinishReason reason)
    {
        Reason = reason;
        Status = SequenceStatus.Finished;
    }
}
