using Rollout.Actors.Protocol;
using Rollout.Actors.Text;
using Rollout.Gpu.Contracts;

namespace Rollout.Host.Generate;

/// <summary>
/// Groups end in any order, and their lines are written in the prompts': each as soon as all before it are there.
/// </summary>
/// <param name="prompts">In the order of the output.</param>
/// <param name="tokenizer">For texts; null writes none.</param>
/// <param name="write">Takes the lines.</param>
public sealed class CompletionOrder(
    IReadOnlyList<PromptLine> prompts, ITokenizer? tokenizer, Action<CompletionLine> write)
{
    private readonly Dictionary<GroupId, GroupOutcome> _early = [];
    private int _next;

    /// <summary>Prompts whose lines are written.</summary>
    public int Written => _next;

    /// <summary>Sampled tokens so far.</summary>
    public long Tokens { get; private set; }

    /// <summary>Prompts that failed so far, and why the first of them did.</summary>
    public (int Count, string? First) Failed { get; private set; }

    /// <summary>Takes what became of a group.</summary>
    public void Add(GroupOutcome outcome)
    {
        if (outcome is GroupFailed failed)
            Failed = (Failed.Count + 1, Failed.First ?? failed.Reason);
        _early.Add(outcome.Id, outcome);
        while (_next < prompts.Count && _early.Remove(prompts[_next].Group.Id, out var ready))
        {
            foreach (var line in Lines(prompts[_next], ready))
                write(line);
            _next++;
        }
    }

    /// <exception cref="InvalidOperationException">A prompt has no lines.</exception>
    public void RequireAll()
    {
        if (_next < prompts.Count)
            throw new InvalidOperationException($"{prompts.Count - _next} prompts have no outcome");
    }

    private IEnumerable<CompletionLine> Lines(PromptLine prompt, GroupOutcome outcome) => outcome switch
    {
        GroupFinished done => done.Completions.Select(completion => Finished(prompt, completion)),
        GroupFailed failed => prompt.Group.Samples.Select((_, sample) => Failure(prompt, sample, failed.Reason)),
        _ => throw new InvalidOperationException($"unknown outcome {outcome}"),
    };

    private CompletionLine Finished(PromptLine prompt, Completion completion)
    {
        Tokens += completion.Tokens.Length;
        return new CompletionLine
        {
            Id = prompt.Id,
            Sample = completion.Sample,
            TokenIds = completion.Tokens,
            Logprobs = completion.Logprobs,
            FinishReason = completion.Reason == FinishReason.Stop ? "stop" : "length",
            PolicyVersion = completion.Sampled.Versions[^1].Version.Value,
            Text = tokenizer is null
                ? null
                : StopTextSearch.Cut(
                    tokenizer.Decode(completion.Tokens), prompt.Group.Samples[completion.Sample].StopTexts),
        };
    }

    private CompletionLine Failure(PromptLine prompt, int sample, string reason) => new()
    {
        Id = prompt.Id,
        Sample = sample,
        TokenIds = [],
        Logprobs = [],
        FinishReason = CompletionLine.Error,
        PolicyVersion = 0,
        Text = tokenizer is null ? null : "",
        Reason = reason,
    };
}
