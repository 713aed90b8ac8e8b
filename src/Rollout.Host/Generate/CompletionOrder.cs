using Rollout.Actors.Protocol;
using Rollout.Actors.Text;
using Rollout.Gpu.Contracts;

namespace Rollout.Host.Generate;

/// <summary>
/// Puts the lines of groups, which finish in any order, into the order of their prompts. A group's lines are written as soon
/// as those of all earlier prompts are.
/// </summary>
/// <param name="prompts">The prompts in the order of the output.</param>
/// <param name="tokenizer">Decodes texts; null writes none.</param>
/// <param name="write">Writes a line.</param>
internal sealed class CompletionOrder(
    IReadOnlyList<PromptLine> prompts, ITokenizer? tokenizer, Action<CompletionLine> write)
{
    private readonly Dictionary<GroupId, GroupOutcome> _early = [];
    private int _next;

    /// <summary>The number of prompts whose lines are written.</summary>
    public int Written => _next;

    /// <summary>The number of sampled tokens so far.</summary>
    public long Tokens { get; private set; }

    /// <summary>The number of failed prompts so far, and the reason of the first.</summary>
    public (int Count, string? First) Failed { get; private set; }

    /// <summary>Adds a group that has finished or failed.</summary>
    public void Add(GroupOutcome outcome)
    {
        if (outcome is GroupFailed failed)
            Failed = (Failed.Count + 1, Failed.First ?? failed.Reason);
        _early.Add(outcome.Id, outcome);
        while (_next < prompts.Count && _early.Remove(prompts[_next].Group.Id, out var ready))
        {
            foreach (var line in ToLines(prompts[_next], ready))
                write(line);
            _next++;
        }
    }

    /// <exception cref="InvalidOperationException">A prompt has neither finished nor failed.</exception>
    public void RequireAll()
    {
        if (_next < prompts.Count)
            throw new InvalidOperationException($"{prompts.Count - _next} prompts have no outcome");
    }

    private IEnumerable<CompletionLine> ToLines(PromptLine prompt, GroupOutcome outcome) => outcome switch
    {
        GroupFinished done => done.Completions.Select(completion => ToLine(prompt, completion)),
        GroupFailed failed => prompt.Group.Samples.Select((_, sample) => ToErrorLine(prompt, sample, failed.Reason)),
        _ => throw new InvalidOperationException($"unknown outcome {outcome}"),
    };

    private CompletionLine ToLine(PromptLine prompt, Completion completion)
    {
        Tokens += completion.Tokens.Length;
        return new CompletionLine
        {
            Id = prompt.Id,
            Sample = completion.Sample,
            TokenIds = completion.Tokens,
            Logprobs = completion.Logprobs,
            SamplingLogprobs = completion.SamplingLogprobs,
            FinishReason = completion.Reason.ToWord(),
            PolicyVersion = completion.Sampled.Versions[^1].Version.Value,
            Fields = prompt.Fields,
            Text = tokenizer is null
                ? null
                : StopTextSearch.Cut(
                    tokenizer.Decode(completion.Tokens), prompt.Group.Samples[completion.Sample].StopTexts),
        };
    }

    private CompletionLine ToErrorLine(PromptLine prompt, int sample, string reason) => new()
    {
        Id = prompt.Id,
        Sample = sample,
        TokenIds = [],
        Logprobs = [],
        FinishReason = CompletionLine.Error,
        PolicyVersion = 0,
        Text = tokenizer is null ? null : "",
        Reason = reason,
        Fields = prompt.Fields,
    };
}
