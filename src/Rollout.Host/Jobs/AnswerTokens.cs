using Rollout.Actors.Data;
using Rollout.Actors.Text;
using Rollout.Gpu.Contracts;

namespace Rollout.Host.Jobs;

/// <summary>Prompts and their answers as token ids, ended by the model's first end-of-sequence token.</summary>
/// <param name="tokenizer">The model's tokenizer.</param>
/// <param name="model">The model's configuration.</param>
/// <exception cref="CheckpointException">The configuration names no end-of-sequence token.</exception>
internal sealed class AnswerTokens(ITokenizer tokenizer, ModelConfig model)
{
    private readonly int _end = model.EosTokenIds is [var end, ..]
        ? end
        : throw new CheckpointException("The model's configuration names no eos_token_id, and answers must end.");

    /// <summary>Each is encoded by itself, as a prompt is when the model is asked.</summary>
    /// <exception cref="InvalidDataException">There is no answer, an empty prompt, or a text that can't be encoded.</exception>
    public (int[] Prompt, int[] Completion) Of(PromptItem item)
    {
        if (!item.Fields.TryGetValue("answer", out var answer))
            throw new InvalidDataException($"{item.Id} has no answer to learn from: expected the field that answer-field names");
        try
        {
            var prompt = tokenizer.Encode(item.Prompt);
            return prompt.Length > 0
                ? (prompt, [.. tokenizer.Encode(answer), _end])
                : throw new InvalidDataException($"{item.Id} has an empty prompt, and its answer has nothing to follow");
        }
        catch (ArgumentException wrong)
        {
            throw new InvalidDataException($"{item.Id}: {wrong.Message}", wrong);
        }
    }
}
