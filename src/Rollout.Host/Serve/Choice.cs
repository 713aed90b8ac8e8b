using Rollout.Actors.Client;
using Rollout.Actors.Protocol;
using Rollout.Actors.Text;
using Rollout.Gpu.Contracts;

namespace Rollout.Host.Serve;

/// <summary>One sample of an answer while it grows: its tokens, and the text that no later token changes.</summary>
/// <param name="index">Its place among the choices.</param>
/// <param name="sampling">How it is drawn.</param>
/// <param name="tokenizer">Decodes its text; null leaves the text empty.</param>
internal sealed class Choice(int index, SamplingParams sampling, HuggingFaceTokenizer? tokenizer)
{
    private readonly SampledTokensBuilder _sampled = new();
    private readonly IncrementalDecoder? _decoder = tokenizer is null ? null : new IncrementalDecoder(tokenizer);
    private string _held = "";      // decoded, and may be the beginning of a stop text
    private int _given;             // characters that were given before

    public int Index => index;

    public SampledTokens Sampled => _sampled.ToSampledTokens();

    /// <summary>The number of its tokens.</summary>
    public int Count => _sampled.Count;

    /// <summary>Why it ended; null while it grows.</summary>
    public FinishReason? Finished { get; private set; }

    /// <summary>The version of the weights that sampled the last token; null before the first.</summary>
    public int? PolicyVersion { get; private set; }

    /// <summary>The whole text, cut before a stop text.</summary>
    public string Text => tokenizer is null ? "" : StopTextSearch.Cut(tokenizer.Decode(Sampled.Tokens), sampling.StopTexts);

    /// <summary>Adds tokens, and gives the text that they make certain.</summary>
    public string Append(SampleNews news)
    {
        if (news.Sampled.Count > 0)
        {
            _sampled.Append(news.Sampled);
            PolicyVersion = news.Sampled.Versions[^1].Version.Value;
        }
        Finished = news.Finished;
        if (Finished is not null)
            return Text is { } text && text.Length > _given ? text[_given..] : "";
        if (_decoder is null)
            return "";
        foreach (var token in news.Sampled.Tokens)
            _held += _decoder.Append(token);
        var certain = _held[..^PossibleStop(_held)];
        _held = _held[certain.Length..];
        _given += certain.Length;
        return certain;
    }

    /// <summary>The length of the longest end of a text with which a stop text may have begun.</summary>
    private int PossibleStop(string text)
    {
        var longest = 0;
        foreach (var stop in sampling.StopTexts)
        {
            for (var length = Math.Min(stop.Length - 1, text.Length); length > longest; length--)
            {
                if (text.AsSpan(text.Length - length).SequenceEqual(stop.AsSpan(0, length)))
                    longest = length;
            }
        }
        return longest;
    }
}
