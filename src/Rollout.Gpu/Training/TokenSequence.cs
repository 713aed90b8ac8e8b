namespace Rollout.Gpu.Training;

/// <summary>A prompt and the completion to learn from.</summary>
internal sealed record TokenSequence(int[] Prompt, int[] Completion)
{
    /// <summary>Tokens that the forward pass reads: all but the last, which is only predicted.</summary>
    public int InputLength => Prompt.Length + Completion.Length - 1;

    /// <summary>
    /// Makes a sequence with valid ids. Unchecked, a bad id is a sticky fault on a GPU and a crash far from its cause
    /// on a CPU.
    /// </summary>
    /// <exception cref="ArgumentException">
    /// The prompt is empty, or an id is outside of the vocabulary.
    /// </exception>
    public static TokenSequence Checked(string name, int[] prompt, int[] completion, int vocabularySize)
    {
        if (prompt.Length == 0)
            throw new ArgumentException(
                $"The prompt of {name} is empty; its first completion token has nothing to follow.");
        foreach (var token in prompt.Concat(completion))
        {
            if (token < 0 || token >= vocabularySize)
                throw new ArgumentException(
                    $"Token {token} of {name} is outside of the vocabulary of {vocabularySize}.");
        }

        return new TokenSequence(prompt, completion);
    }
}
