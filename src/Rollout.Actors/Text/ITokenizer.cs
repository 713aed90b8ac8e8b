namespace Rollout.Actors.Text;

/// <summary>Text to token ids and back, as the model's own tokenizer does it. Safe for concurrent use.</summary>
public interface ITokenizer
{
    /// <summary>The ids of the text; special tokens that stand in it are recognised, none are added.</summary>
    int[] Encode(string text);

    /// <summary>The text of the ids; special tokens are left out unless asked for.</summary>
    string Decode(ReadOnlySpan<int> ids, bool keepSpecialTokens = false);

    /// <summary>The id of a token by its exact text, special or not.</summary>
    bool TryGetId(string token, out int id);
}
