using System.Collections.Frozen;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace Rollout.Actors.Text;

/// <summary>
/// The byte-level BPE tokenizer of a Hugging Face model folder, with the ids that Hugging Face's own gives.
/// Microsoft.ML.Tokenizers merges the byte pairs. Around it, three things are done here because it differs or
/// leaves them out: patterns match code points (its regular expressions see surrogates), text is normalised
/// without ICU, and ignore_merges and added tokens follow Hugging Face's rules. Safe for concurrent use.
/// </summary>
public sealed class HuggingFaceTokenizer : ITokenizer
{
    private readonly TokenizerFile _file;
    private readonly BpeTokenizer _merger;
    private readonly AddedTokens _rawTokens;
    private readonly AddedTokens _normalizedTokens;
    private readonly FrozenDictionary<string, int> _addedIds;
    private readonly byte[][] _bytes;            // [vocabulary] UTF-8 of each id; empty where no token has it
    private readonly FrozenSet<int> _special;
    private readonly FrozenSet<byte> _unknownBytes;

    private HuggingFaceTokenizer(TokenizerFile file)
    {
        _file = file;
        _merger = CreateMerger(file);
        _rawTokens = new AddedTokens(file.AddedTokens.Where(token => !token.Normalized));
        _normalizedTokens = new AddedTokens(file.AddedTokens
            .Where(token => token.Normalized)
            .Select(token => token with { Content = Normalize(token.Content) }));
        _addedIds = file.AddedTokens
            .GroupBy(token => token.Content, token => token.Id)
            .ToFrozenDictionary(group => group.Key, group => group.Last(), StringComparer.Ordinal);
        _special = file.AddedTokens.Where(token => token.Special).Select(token => token.Id).ToFrozenSet();
        _bytes = BytesOfIds(file);
        _unknownBytes = Enumerable.Range(0, 256)
            .Select(value => (byte)value)
            .Where(value => !file.Vocabulary.ContainsKey(ByteLevelAlphabet.CharacterOf(value).ToString()))
            .ToFrozenSet();
        PrefixIds = [.. file.Prefix.Select(token => TryGetId(token, out var id)
            ? id
            : throw new InvalidDataException(
                $"{file.Path}: post_processor names \"{token}\", which has no id"))];
    }

    /// <summary>
    /// One more than the largest id that has a token. A model's vocabulary may be padded beyond it.
    /// </summary>
    public int VocabularySize => _bytes.Length;

    /// <summary>
    /// Ids that the model was trained to see before every text (Llama 3's begin of text; empty for Qwen). A
    /// chat format writes them itself; before plain text the caller puts them.
    /// </summary>
    public IReadOnlyList<int> PrefixIds { get; }

    /// <summary>Reads <c>tokenizer.json</c> of a model folder.</summary>
    /// <exception cref="InvalidDataException">The file is missing, broken, or no byte-level BPE
    /// tokenizer.</exception>
    public static HuggingFaceTokenizer Load(string modelFolder) =>
        new(TokenizerFile.Read(Path.Combine(modelFolder, "tokenizer.json")));

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The vocabulary has no token for a byte of the text.</exception>
    public int[] Encode(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var ids = new List<int>(text.Length / 3);
        _rawTokens.Split(
            WellFormed(text),
            stretch => _normalizedTokens.Split(
                Normalize(stretch), plain => EncodePlain(plain, ids), token => ids.Add(token.Id)),
            token => ids.Add(token.Id));
        return [.. ids];
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Ids without a token (a padded vocabulary) give nothing; bytes that are no UTF-8 give U+FFFD.
    /// </remarks>
    public string Decode(ReadOnlySpan<int> ids, bool keepSpecialTokens = false)
    {
        var bytes = new List<byte>(ids.Length * 4);
        foreach (var id in ids)
            bytes.AddRange(BytesOf(id, keepSpecialTokens));
        return Encoding.UTF8.GetString([.. bytes]);
    }

    /// <inheritdoc/>
    public bool TryGetId(string token, out int id) =>
        _addedIds.TryGetValue(token, out id) || _file.Vocabulary.TryGetValue(token, out id);

    /// <summary>Whether decoded text leaves the token out.</summary>
    public bool IsSpecial(int id) => _special.Contains(id);

    /// <summary>
    /// What one id adds to the decoded text: UTF-8 bytes, not necessarily whole characters.
    /// </summary>
    public ReadOnlySpan<byte> BytesOf(int id, bool keepSpecialTokens = false)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        return id >= _bytes.Length || (!keepSpecialTokens && _special.Contains(id)) ? [] : _bytes[id];
    }

    private void EncodePlain(string text, List<int> ids)
    {
        CheckBytes(text);
        var pieces = new List<string>();
        _file.PreTokenizer.Split(text, pieces);
        foreach (var piece in pieces)
        {
            if (_file.IgnoreMerges
                && _file.Vocabulary.TryGetValue(ByteLevelAlphabet.FromText(piece), out var whole))
                ids.Add(whole);
            else
                ids.AddRange(_merger.EncodeToIds(
                    piece, considerPreTokenization: false, considerNormalization: false));
        }
    }

    /// <summary>
    /// Hugging Face drops what the vocabulary cannot spell; a prompt that lost characters helps no one.
    /// </summary>
    private void CheckBytes(string text)
    {
        if (_unknownBytes.Count == 0)
            return;
        Span<byte> utf8 = stackalloc byte[4];
        foreach (var rune in text.EnumerateRunes())
        {
            foreach (var value in utf8[..rune.EncodeToUtf8(utf8)])
            {
                if (_unknownBytes.Contains(value))
                    throw new ArgumentException(
                        $"{_file.Path}: the vocabulary has no token for '{rune}' (U+{rune.Value:X4}) "
                        + $"of \"{text}\"");
            }
        }
    }

    private string Normalize(string text) => _file.ComposesUnicode ? UnicodeComposition.Compose(text) : text;

    private static string WellFormed(string text) =>
        text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF')
            ? Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text))
            : text;

    private static BpeTokenizer CreateMerger(TokenizerFile file)
    {
        try
        {
            return BpeTokenizer.Create(
                new BpeOptions(file.Vocabulary) { Merges = file.Merges, ByteLevel = true });
        }
        catch (Exception wrong) when (wrong is InvalidOperationException or ArgumentException)
        {
            throw new InvalidDataException(
                $"{file.Path}: model.merges do not fit model.vocab: {wrong.Message}", wrong);
        }
    }

    private static byte[][] BytesOfIds(TokenizerFile file)
    {
        var ids = file.Vocabulary.Values.Concat(file.AddedTokens.Select(token => token.Id));
        var bytes = new byte[ids.DefaultIfEmpty(-1).Max() + 1][];
        Array.Fill(bytes, []);
        foreach (var (token, id) in file.Vocabulary)
            bytes[id] = ByteLevelAlphabet.ToBytes(token);
        foreach (var token in file.AddedTokens)
            bytes[token.Id] = Encoding.UTF8.GetBytes(token.Content);
        return bytes;
    }
}
