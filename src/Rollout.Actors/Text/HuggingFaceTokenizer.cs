using System.Collections.Frozen;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace Rollout.Actors.Text;

/// <summary>
/// The byte-level BPE tokenizer of a Hugging Face model folder; it gives the ids that Hugging Face's tokenizers give.
/// Microsoft.ML.Tokenizers merges the byte pairs. Three things are done here because it differs or leaves them out:
/// patterns match code points (its regular expressions see surrogates), text is normalised without ICU, and
/// ignore_merges and added tokens follow Hugging Face's rules. Safe for concurrent use.
/// </summary>
public sealed class HuggingFaceTokenizer : ITokenizer
{
    /// <summary>The longest run of characters that pairs merge in; a longer one would take seconds.</summary>
    private const int MaxPiece = 1 << 17;

    private readonly TokenizerFile _file;
    private readonly int _modelVocabulary;
    private readonly BpeTokenizer _merger;
    private readonly AddedTokens _rawTokens;
    private readonly AddedTokens _normalizedTokens;
    private readonly FrozenDictionary<string, int> _addedIds;
    private readonly byte[][] _bytes;            // [vocabulary] the UTF-8 of each id; empty for an id without a token
    private readonly FrozenSet<int> _special;
    private readonly FrozenSet<byte> _unknownBytes;

    private HuggingFaceTokenizer(TokenizerFile file, int modelVocabulary)
    {
        _file = file;
        _modelVocabulary = modelVocabulary;
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

    /// <summary>One more than the largest id with a token. A model's vocabulary may be padded beyond it.</summary>
    public int VocabularySize => _bytes.Length;

    /// <summary>
    /// The ids that the model expects before every text: Llama 3's begin of text, none for Qwen. A chat format writes
    /// them itself; before plain text the caller puts them.
    /// </summary>
    public IReadOnlyList<int> PrefixIds { get; }

    /// <summary>Reads <c>tokenizer.json</c> of a model folder.</summary>
    /// <param name="modelFolder">The folder.</param>
    /// <param name="modelVocabulary">
    /// The rows of the model's embedding. A text with a token beyond them is refused: no model runs it.
    /// </param>
    /// <exception cref="InvalidDataException">The file is missing, broken, or no byte-level BPE tokenizer.</exception>
    public static HuggingFaceTokenizer Load(string modelFolder, int modelVocabulary = int.MaxValue) =>
        new(TokenizerFile.Read(Path.Combine(modelFolder, "tokenizer.json")), modelVocabulary);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">
    /// The vocabulary has no token for a byte of the text, the model has no row for a token, or the file's pattern
    /// takes too long on the text.
    /// </exception>
    public int[] Encode(string text, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        var ids = new List<int>(text.Length / 3);
        _rawTokens.Split(
            WellFormed(text),
            stretch => _normalizedTokens.Split(
                Normalize(stretch), plain => EncodePlain(plain, ids, cancellation), token => ids.Add(token.Id)),
            token => ids.Add(token.Id));
        foreach (var id in ids)
        {
            if (id >= _modelVocabulary)
            {
                throw new ArgumentException(
                    $"{_file.Path}: the token \"{Decode([id], keepSpecialTokens: true)}\" has the id {id}, but the"
                    + $" model's ids end at {_modelVocabulary - 1} (vocab_size of config.json)");
            }
        }
        return [.. ids];
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Ids without a token, as in a padded vocabulary, give no text. Bytes that are no UTF-8 give U+FFFD.
    /// </remarks>
    public string Decode(ReadOnlySpan<int> ids, bool keepSpecialTokens = false)
    {
        var bytes = new List<byte>(ids.Length * 4);
        foreach (var id in ids)
            bytes.AddRange(BytesOf(id, keepSpecialTokens));
        return Encoding.UTF8.GetString([.. bytes]);
    }

    /// <summary>The id of a token by its exact text, special or not.</summary>
    internal bool TryGetId(string token, out int id) =>
        _addedIds.TryGetValue(token, out id) || _file.Vocabulary.TryGetValue(token, out id);

    /// <summary>True if decoded text leaves the token out.</summary>
    internal bool IsSpecial(int id) => _special.Contains(id);

    /// <summary>The UTF-8 bytes that one id adds to the decoded text; not necessarily whole characters.</summary>
    public ReadOnlySpan<byte> BytesOf(int id, bool keepSpecialTokens = false)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        return id >= _bytes.Length || (!keepSpecialTokens && _special.Contains(id)) ? [] : _bytes[id];
    }

    private void EncodePlain(string text, List<int> ids, CancellationToken cancellation)
    {
        CheckBytes(text);
        var pieces = new List<string>();
        _file.PreTokenizer.Split(text, pieces);
        foreach (var piece in pieces)
        {
            cancellation.ThrowIfCancellationRequested();
            if (piece.Length > MaxPiece)
            {
                throw new ArgumentException(
                    $"{_file.Path}: the text has a word of {piece.Length} characters, expected at most {MaxPiece}");
            }
            if (_file.IgnoreMerges
                && _file.Vocabulary.TryGetValue(ByteLevelAlphabet.FromText(piece), out var whole))
                ids.Add(whole);
            else
                ids.AddRange(_merger.EncodeToIds(
                    piece, considerPreTokenization: false, considerNormalization: false));
        }
    }

    /// <summary>
    /// Refuses what the vocabulary can't spell. Hugging Face drops it, and the prompt would lose characters.
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
                        + $"of \"{Beginning(text)}\"");
            }
        }
    }

    private string Normalize(string text) => _file.ComposesUnicode ? UnicodeComposition.Compose(text) : text;

    private static string Beginning(string text) => text.Length <= 80 ? text : text[..80] + "…";

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
