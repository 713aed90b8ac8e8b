namespace Rollout.Actors.Text;

/// <summary>Turns text into token ids and back, as the model's own tokenizer does. Safe for concurrent use.</summary>
public interface ITokenizer
{
    /// <summary>The ids of a text. Special tokens in the text are recognised; none are added.</summary>
    /// <exception cref="ArgumentException">The text can't be encoded; the message says why.</exception>
    int[] Encode(string text, CancellationToken cancellation = default);

    /// <summary>The text of the ids, without special tokens unless asked for.</summary>
    string Decode(ReadOnlySpan<int> ids, bool keepSpecialTokens = false);
}
