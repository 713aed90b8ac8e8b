using Rollout.Actors.Data;
using Rollout.Actors.Settings;

namespace Rollout.Host.Jobs;

/// <summary>
/// The examples of supervised fine-tuning. Each is encoded and measured before the first step, so that none ends a run
/// later; those to train on are encoded again when their step comes.
/// </summary>
internal sealed class SftExamples
{
    private readonly PromptMix _dataset;
    private readonly AnswerTokens _answers;
    private readonly int _longest;
    private readonly TooLong _tooLong;

    /// <param name="dataset">Prompts with answers.</param>
    /// <param name="answers">Encodes them.</param>
    /// <param name="longest">The most tokens of an example, its end included.</param>
    /// <param name="tooLong">What becomes of a longer one.</param>
    /// <param name="cancellation">Ends the check of the examples.</param>
    /// <exception cref="InvalidDataException">
    /// An example has no answer, can't be encoded or is too long, or none is left to train on.
    /// </exception>
    public SftExamples(
        PromptMix dataset, AnswerTokens answers, int longest, TooLong tooLong, CancellationToken cancellation)
    {
        (_dataset, _answers, _longest, _tooLong) = (dataset, answers, longest, tooLong);
        HeldOut = [.. Fitting(dataset.HeldOut, cancellation)];
        Count = Fitting(dataset.Epoch, cancellation).LongCount();
        if (Count == 0)
            throw new InvalidDataException($"no training example has at most {longest} tokens: none is left to train on");
    }

    /// <summary>Training examples of an epoch.</summary>
    public long Count { get; }

    /// <summary>Examples that were left out, held-out ones included.</summary>
    public int Dropped { get; private set; }

    /// <summary>What the loss is measured on.</summary>
    public IReadOnlyList<(int[] Prompt, int[] Completion)> HeldOut { get; }

    /// <summary>The next examples to train on.</summary>
    /// <param name="cursor">A place in the dataset's order.</param>
    /// <param name="size">How many.</param>
    /// <returns>The examples, their names, and the place behind them.</returns>
    public ((int[] Prompt, int[] Completion)[] Batch, string[] Names, long Cursor) Next(long cursor, int size)
    {
        var batch = new List<(int[] Prompt, int[] Completion)>(size);
        var names = new List<string>(size);
        for (; batch.Count < size; cursor++)
        {
            var item = _dataset.Train(cursor);
            var example = _answers.Of(item);
            if (!Fits(example))
                continue;
            batch.Add(example);
            names.Add(item.Id);
        }
        return ([.. batch], [.. names], cursor);
    }

    private bool Fits((int[] Prompt, int[] Completion) example) =>
        example.Prompt.Length + example.Completion.Length <= _longest;

    private IEnumerable<(int[] Prompt, int[] Completion)> Fitting(
        IEnumerable<PromptItem> items, CancellationToken cancellation)
    {
        foreach (var item in items)
        {
            cancellation.ThrowIfCancellationRequested();
            var example = _answers.Of(item);
            if (Fits(example))
                yield return example;
            else if (_tooLong == TooLong.Drop)
                Dropped++;
            else
                throw TooManyTokens(item, example.Prompt.Length + example.Completion.Length);
        }
    }

    private InvalidDataException TooManyTokens(PromptItem item, int tokens) => new(
        $"{item.Id} has {tokens} tokens with its answer and end, expected at most {_longest} (sft.max-length, or the model's"
        + " limit); sft.too-long = drop leaves such examples out");
}
