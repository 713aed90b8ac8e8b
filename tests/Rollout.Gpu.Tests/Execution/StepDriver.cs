using Rollout.Gpu.Contracts;
using Rollout.Gpu.Sampling;
using Xunit;

namespace Rollout.Gpu.Tests.Execution;

/// <summary>
/// Makes the batches that a scheduler would: prompts of any length prefilled together (in chunks, after a
/// cached prefix), forked to their samples with copy-on-write of the partly filled tail, decoded with rows
/// leaving.
/// </summary>
internal sealed class StepDriver
{
    private readonly IModelRunner _runner;
    private readonly Queue<int> _free;
    private readonly int[] _references;
    private readonly List<BlockCopy> _copies = [];

    /// <param name="runner">The engine under test.</param>
    /// <param name="blockOrder">Shuffles the pool; 0 takes blocks in order.</param>
    public StepDriver(IModelRunner runner, int blockOrder = 0)
    {
        _runner = runner;
        var order = Enumerable.Range(0, runner.Geometry.BlockCount).ToArray();
        if (blockOrder != 0)
            new Random(blockOrder).Shuffle(order);
        _free = new Queue<int>(order);
        _references = new int[order.Length];
    }

    public int FreeBlocks => _free.Count;

    /// <summary>Blocks in use when most were.</summary>
    public int Peak { get; private set; }

    /// <summary>
    /// One list of sequences: all samples of the first prompt, then of the second, and so on.
    /// </summary>
    /// <param name="prompts">Token ids.</param>
    /// <param name="samples">Sequences of each prompt.</param>
    /// <param name="sampling">For all.</param>
    /// <param name="newTokens">How many each sequence gets, by its index.</param>
    /// <param name="chunk">Tokens of a prompt in one step at most.</param>
    /// <param name="cached">Tokens, whole blocks, that all prompts after the first share with it and don't
    /// compute.</param>
    public Generated[] Generate(
        int[][] prompts, int samples, SamplingParams sampling, Func<int, int> newTokens,
        int chunk = int.MaxValue, int cached = 0)
    {
        var waiting = prompts.Select((prompt, group) => new Generated(group, 0, prompt)).ToArray();
        var first = cached > 0 ? 1 : 0; // the prompt whose blocks the others share comes before them
        var all = new List<Generated>();
        if (first == 1)
            Prefill(waiting[..1], samples, sampling, chunk, all);
        foreach (var sequence in waiting[first..])
            Share(waiting[0], sequence, cached);
        Prefill(waiting[first..], samples, sampling, chunk, all);

        var running = all.Where((sequence, i) => Continues(sequence, newTokens(i))).ToList();
        while (running.Count > 0)
        {
            Step([.. running.Select(sequence => (sequence, 1))], sequence => [sequence], sampling);
            running = [.. running.Where(sequence => Continues(sequence, newTokens(all.IndexOf(sequence))))];
        }

        return [.. all];
    }

    private void Prefill(
        Generated[] prompts, int samples, SamplingParams sampling, int chunk, List<Generated> all)
    {
        var groups = prompts.ToDictionary(
            prompt => prompt,
            prompt => Enumerable.Range(1, samples - 1)
                .Select(sample => new Generated(prompt.Group, sample, prompt.Prompt)).Prepend(prompt).ToArray());
        var left = prompts;
        while (left.Length > 0)
        {
            Step([.. left.Select(prompt => (prompt, Math.Min(chunk, prompt.Tokens.Count - prompt.Computed)))],
                prompt => groups[prompt], sampling);
            left = [.. left.Where(prompt => prompt.Computed < prompt.Prompt.Length)];
        }

        foreach (var prompt in prompts)
        {
            foreach (var fork in groups[prompt].Skip(1))
                Fork(prompt, fork);
            all.AddRange(groups[prompt]);
        }
    }

    // One forward: the next tokens of each row, and draws where a row's last token is in it.
    private void Step(
        (Generated Sequence, int Tokens)[] rows, Func<Generated, Generated[]> drawsOf, SamplingParams sampling)
    {
        List<int> tokens = [], positions = [], slots = [], queries = [0];
        List<int> tables = [], tableStart = [0], contexts = [];
        List<Draw> draws = [];
        List<Generated> drawn = [];
        for (var row = 0; row < rows.Length; row++)
        {
            var (sequence, count) = rows[row];
            var context = sequence.Computed + count;
            while (sequence.Blocks.Count < _runner.Geometry.BlocksFor(context))
                sequence.Blocks.Add(Take());
            for (var position = sequence.Computed; position < context; position++)
            {
                var (block, offset) = Math.DivRem(position, _runner.Geometry.BlockSize);
                tokens.Add(sequence.Tokens[position]);
                positions.Add(position);
                slots.Add((sequence.Blocks[block] * _runner.Geometry.BlockSize) + offset);
            }

            tables.AddRange(sequence.Blocks);
            queries.Add(tokens.Count);
            tableStart.Add(tables.Count);
            contexts.Add(context);
            sequence.Computed = context;
            if (context < sequence.Tokens.Count)
                continue;
            drawn.AddRange(drawsOf(sequence));
            foreach (var to in drawsOf(sequence))
                draws.Add(new Draw(row, context, to.Key(sampling.Seed), sampling));
        }

        var batch = new ForwardBatch
        {
            TokenCount = tokens.Count,
            RowCount = rows.Length,
            DrawCount = draws.Count,
            TokenIds = [.. tokens],
            Positions = [.. positions],
            SlotMapping = [.. slots],
            QueryStart = [.. queries],
            ContextLengths = [.. contexts],
            BlockTableStart = [.. tableStart],
            BlockTables = [.. tables],
            Draws = [.. draws],
        };
        batch.Copies.AddRange(_copies);
        _copies.Clear();
        Peak = Math.Max(Peak, _references.Count(count => count > 0));
        _runner.Start(batch);
        var output = _runner.Finish();
        Assert.Equal(draws.Count, output.Count);
        for (var i = 0; i < drawn.Count; i++)
        {
            drawn[i].Tokens.Add(output.Tokens[i]);
            drawn[i].Logprobs.Add(output.Logprobs[i]);
            drawn[i].SamplingLogprobs.Add(sampling.Filters ? output.SamplingLogprobs[i] : output.Logprobs[i]);
        }
    }

    private bool Continues(Generated sequence, int newTokens)
    {
        if (sequence.Logprobs.Count < newTokens)
            return true;
        foreach (var block in sequence.Blocks)
        {
            if (--_references[block] == 0)
                _free.Enqueue(block);
        }

        return false;
    }

    private void Share(Generated from, Generated to, int cached)
    {
        to.Computed = cached;
        foreach (var block in from.Blocks.Take(cached / _runner.Geometry.BlockSize))
        {
            _references[block]++;
            to.Blocks.Add(block);
        }
    }

    private void Fork(Generated prompt, Generated fork)
    {
        var full = prompt.Prompt.Length / _runner.Geometry.BlockSize * _runner.Geometry.BlockSize;
        Share(prompt, fork, full);
        if (full < prompt.Prompt.Length)
        {
            var tail = prompt.Blocks[fork.Blocks.Count];
            fork.Blocks.Add(Take());
            _copies.Add(new BlockCopy(new BlockId(tail), new BlockId(fork.Blocks[^1])));
        }

        fork.Computed = prompt.Prompt.Length;
    }

    private int Take()
    {
        var block = _free.Dequeue();
        _references[block] = 1;
        return block;
    }
}

/// <summary>One sequence: its prompt, then what was sampled.</summary>
internal sealed class Generated(int group, int sample, int[] prompt)
{
    public int Group => group;

    public int[] Prompt => prompt;

    public List<int> Tokens { get; } = [.. prompt];

    public List<float> Logprobs { get; } = [];

    /// <summary>After the filters.</summary>
    public List<float> SamplingLogprobs { get; } = [];

    public List<int> Blocks { get; } = [];

    /// <summary>Tokens whose keys and values are in the cache.</summary>
    public int Computed { get; set; }

    public ulong Key(ulong seed) => SamplingRng.SequenceKey(seed, new SequenceId(new GroupId(group), sample));
}
