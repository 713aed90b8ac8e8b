namespace Rollout.Gpu.Training;

/// <summary>
/// Where the tokens of a micro-batch are. Sequences with one prompt, the same array, are a group: its rows are the prompt
/// once, and then what each sequence reads beyond it. The sequences of attention are the prompt, and each of the others
/// by itself, which also attends to the prompt.
/// </summary>
internal sealed class PackedLayout
{
    // Attention to a shorter prompt, once more for all tokens, takes longer than computing the prompt for each.
    private const int ShortestShared = 64;

    /// <param name="sequences">Sequences, each with a completion; those of a group need not be neighbours.</param>
    public PackedLayout(IReadOnlyList<TokenSequence> sequences)
    {
        var sources = new int[sequences.Count][];
        foreach (var group in Enumerable.Range(0, sequences.Count).GroupBy(i => GroupOf(sequences[i])))
            Add([.. group.Select(i => (i, sequences[i]))], sources);
        Sources = [.. sources.SelectMany(own => own)];
    }

    /// <summary>Equal for sequences whose prompt is computed once.</summary>
    public static object GroupOf(TokenSequence sequence) =>
        sequence.Prompt.Length >= ShortestShared ? sequence.Prompt : sequence;

    /// <summary>[tokens] ids.</summary>
    public List<int> Tokens { get; } = [];

    /// <summary>[tokens] places in their sequences, from 0.</summary>
    public List<int> Positions { get; } = [];

    /// <summary>[sequences of attention + 1] the first row of each.</summary>
    public List<int> Starts { get; } = [0];

    /// <summary>[targets], sequence after sequence: the row whose hidden state predicts the target.</summary>
    public int[] Sources { get; }

    /// <summary>
    /// [parts + 1] the first row of each part of the attention to shared prompts, as queries; a part's keys are the rows
    /// of the same part of <see cref="KeyStarts"/>. Parts without keys or without queries skip rows.
    /// </summary>
    public List<int> QueryStarts { get; } = [0];

    /// <summary>[parts + 1] the first row of each part, as keys.</summary>
    public List<int> KeyStarts { get; } = [0];

    /// <summary>Whether any prompt is shared.</summary>
    public bool IsShared { get; private set; }

    /// <summary>The part of <see cref="QueryStarts"/> with the keys of each sequence of attention; −1 without any.</summary>
    public List<int> PartOf { get; } = [];

    private void Add((int Index, TokenSequence Item)[] group, int[][] sources)
    {
        var prompt = group[0].Item.Prompt;
        var first = Tokens.Count;
        if (group.Length == 1)
        {
            var (index, sequence) = group[0];
            Append([.. prompt, .. sequence.Completion.AsSpan(0, sequence.Completion.Length - 1)], 0, part: -1);
            sources[index] = [.. Enumerable.Range(first + prompt.Length - 1, sequence.Completion.Length)];
            AddPart(Tokens.Count - first, 0);
            AddPart(0, Tokens.Count - first);
            return;
        }

        IsShared = true;
        Append(prompt, 0, part: -1);
        AddPart(prompt.Length, 0);
        var ownPart = QueryStarts.Count - 1;
        foreach (var (index, sequence) in group)
        {
            var own = Tokens.Count;
            Append(sequence.Completion.AsSpan(0, sequence.Completion.Length - 1), prompt.Length, ownPart);
            sources[index] = [first + prompt.Length - 1, .. Enumerable.Range(own, sequence.Completion.Length - 1)];
        }

        var added = Tokens.Count - first - prompt.Length;
        AddPart(added, prompt.Length);
        AddPart(0, added);
    }

    private void Append(ReadOnlySpan<int> tokens, int position, int part)
    {
        if (tokens.IsEmpty)
            return;
        foreach (var token in tokens)
        {
            Tokens.Add(token);
            Positions.Add(position++);
        }

        Starts.Add(Tokens.Count);
        PartOf.Add(part);
    }

    private void AddPart(int queries, int keys)
    {
        QueryStarts.Add(QueryStarts[^1] + queries);
        KeyStarts.Add(KeyStarts[^1] + keys);
    }
}
