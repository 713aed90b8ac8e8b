using Rollout.Actors.Text;

namespace Rollout.Host.Serve;

/// <summary>Tokens one by one, as the log-probabilities of an answer name them.</summary>
internal static class TokenTexts
{
    /// <summary>A token's text, special ones included; as in vLLM, <c>token_id:N</c> without a tokenizer.</summary>
    public static string Of(HuggingFaceTokenizer? tokenizer, int id) =>
        tokenizer is null ? $"token_id:{id}" : tokenizer.Decode([id], keepSpecialTokens: true);

    /// <summary>A token's bytes of UTF-8, which may be a part of a character; null without a tokenizer.</summary>
    public static int[]? BytesOf(HuggingFaceTokenizer? tokenizer, int id)
    {
        if (tokenizer is null)
            return null;
        var bytes = tokenizer.BytesOf(id, keepSpecialTokens: true);
        var numbers = new int[bytes.Length];
        for (var i = 0; i < numbers.Length; i++)
            numbers[i] = bytes[i];
        return numbers;
    }
}
