using System.Text.Json;
using Rollout.Actors.Protocol;
using Rollout.Actors.Text;
using Rollout.Gpu.Contracts;
using Rollout.Host.Input;
using Rollout.Host.View;

namespace Rollout.Host.Generate;

/// <summary>Converts a line's JSON object to the group that it asks for. Its messages name neither file nor line.</summary>
internal sealed class PromptReader(ModelFiles model, PromptDefaults defaults, CancellationToken cancellation)
{
    // No vocabulary has tokens that are this long on average. Longer texts need not be tokenised to be refused.
    private const int MostCharactersPerToken = 64;

    private readonly string[] _promptFields = [defaults.PromptField, "prompt_ids", "messages"];

    /// <summary>Lines that ask for the same samples share one array: (new tokens, samples) to it.</summary>
    private readonly Dictionary<(int Tokens, int Count), SamplingParams[]> _equalSamples = [];

    /// <exception cref="InvalidDataException">A field is unknown, missing or out of its range.</exception>
    public PromptLine Read(JsonElement line, int number)
    {
        var id = ReadId(line, number);
        var prompt = ReadPrompt(line);
        return new PromptLine(
            id, new GroupRequest(new GroupId(number), prompt, ReadSamples(line, prompt.Length)), ReadOthers(line));
    }

    private static JsonElement ReadId(JsonElement line, int number)
    {
        if (!line.TryGetProperty("id", out var id))
            return JsonSerializer.SerializeToElement(number);
        return id.ValueKind == JsonValueKind.Number || (id.ValueKind == JsonValueKind.String && id.GetString() is not null)
            ? id
            : throw new InvalidDataException("id must be a text or a number");
    }

    private Dictionary<string, JsonElement> ReadOthers(JsonElement line)
    {
        var others = line.EnumerateObject()
            .Where(field => !(field.Name is "id" or "max_tokens" or "samples" || _promptFields.Contains(field.Name)))
            .ToDictionary(field => field.Name, field => field.Value);
        return others.Keys.FirstOrDefault(CompletionLine.Has) is { } taken
            ? throw new InvalidDataException(
                $"{taken} is a field of the output, which repeats the prompt's other fields: rename it, or name it by --prompt-field")
            : others;
    }

    private int[] ReadPrompt(JsonElement line)
    {
        var given = _promptFields.Where(field => line.TryGetProperty(field, out _)).ToArray();
        if (given is not [var field])
        {
            var expected = $"one of {_promptFields[0]}, {_promptFields[1]} and {_promptFields[2]}";
            throw new InvalidDataException(given is []
                ? $"has no prompt, expected {expected}"
                : $"has {string.Join(" and ", given)}, expected only {expected}");
        }
        var value = line.GetProperty(field);
        var ids = field switch
        {
            "messages" => EncodeMessages(value),
            "prompt_ids" => JsonFields.TokenIds(value, model.Config.VocabSize),
            _ => EncodeText(value),
        };
        return ids.Length > 0 ? ids : throw new InvalidDataException($"{field} is empty, expected at least one token");
    }

    private int[] EncodeText(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.String)
            throw new InvalidDataException($"{defaults.PromptField} must be a text");
        var tokenizer = model.RequireTokenizer("a prompt of text needs");
        var text = value.GetString()!;
        return text.Length == 0 ? [] : [.. tokenizer.PrefixIds, .. Encode(tokenizer, text)];
    }

    private int[] EncodeMessages(JsonElement value)
    {
        var messages = ChatMessage.ReadAll(value)
            ?? throw new InvalidDataException("messages must be a list of {role, content}, both texts");
        var tokenizer = model.RequireTokenizer("messages need");
        if (messages.Length == 0)
            return [];
        try
        {
            return Encode(tokenizer, model.Chat.Format(messages));
        }
        catch (ArgumentException wrong)
        {
            throw new InvalidDataException($"messages: {wrong.Message}", wrong);
        }
    }

    private int[] Encode(HuggingFaceTokenizer tokenizer, string text)
    {
        if (text.Length / MostCharactersPerToken > defaults.MaxModelLength)
        {
            throw new InvalidDataException(
                $"its prompt has {text.Length} characters, and the model takes {defaults.MaxModelLength} tokens");
        }
        int[] ids;
        try
        {
            ids = tokenizer.Encode(text, cancellation);
        }
        catch (ArgumentException wrong)
        {
            throw new InvalidDataException(wrong.Message, wrong);
        }
        var vocabulary = model.Config.VocabSize;
        return Array.Find(ids, id => id >= vocabulary) is var stranger and > 0
            ? throw new InvalidDataException(
                $"the tokenizer gives the id {stranger}, and the model's ids end at {vocabulary - 1}")
            : ids;
    }

    private SamplingParams[] ReadSamples(JsonElement line, int promptLength)
    {
        int? ownCount = line.TryGetProperty("samples", out var samples)
            ? JsonFields.Whole(samples, 1, PromptDefaults.MostSamples)
                ?? throw new InvalidDataException($"samples must be a whole number from 1 to {PromptDefaults.MostSamples}")
            : null;
        var count = ownCount ?? defaults.Samples;
        if (!line.TryGetProperty("max_tokens", out var value))
            return EqualSamples(defaults.MaxTokens ?? WhatFits(promptLength), count ?? 1, promptLength);
        if (JsonFields.Whole(value, 1, int.MaxValue) is { } most)
            return EqualSamples(most, count ?? 1, promptLength);
        if (JsonFields.WholeNumbers(value, 1, int.MaxValue) is not { Length: > 0 and <= PromptDefaults.MostSamples } list)
        {
            throw new InvalidDataException(
                $"max_tokens must be a whole number from 1 to {int.MaxValue}, or a list of them, one a sample and at most"
                + $" {PromptDefaults.MostSamples}");
        }
        if (count is not null && count != list.Length)
        {
            throw new InvalidDataException(
                $"max_tokens has {list.Length} entries and {(ownCount is null ? "--samples" : "samples")} is {count},"
                + " expected one entry a sample");
        }
        return [.. list.Select(tokens => EqualSamples(tokens, 1, promptLength)[0])];
    }

    private int WhatFits(int promptLength) => promptLength < defaults.Longest
        ? Math.Min(defaults.Sampling.MaxTokens, defaults.Longest - promptLength)
        : throw new InvalidDataException(
            $"its prompt has {Figures.Count(promptLength, "token")}, and model and KV pool take {defaults.Longest}, new ones included");

    private SamplingParams[] EqualSamples(int tokens, int count, int promptLength)
    {
        if (promptLength + (long)tokens > defaults.MaxModelLength)
        {
            throw new InvalidDataException(
                $"its prompt has {Figures.Count(promptLength, "token")}, and with {tokens} new ones (max_tokens) it exceeds the model's"
                + $" {defaults.MaxModelLength}");
        }
        if (!_equalSamples.TryGetValue((tokens, count), out var samples))
        {
            samples = new SamplingParams[count];
            Array.Fill(samples, defaults.Sampling with { MaxTokens = tokens });
            _equalSamples.Add((tokens, count), samples);
        }
        return samples;
    }
}
