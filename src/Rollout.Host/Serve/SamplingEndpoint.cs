using Microsoft.AspNetCore.Http;
using Rollout.Actors.Client;
using Rollout.Actors.Settings;

namespace Rollout.Host.Serve;

/// <summary>
/// Answers requests for completions. Their samples are submitted as any client's; a client that hangs up cancels them.
/// </summary>
internal sealed class SamplingEndpoint(ServeEngine engine, ServeSettings settings, SampleSlots slots, ServeMetrics metrics)
{
    private readonly RequestReader _reader = new(engine.Model, settings.MaxSamples);

    public Task CompleteAsync(HttpContext http) =>
        AnswerAsync(http, _reader.ReadCompletion, request => new CompletionFormat(engine.Model, request));

    public Task ChatAsync(HttpContext http) =>
        AnswerAsync(http, _reader.ReadChat, request => new ChatFormat(engine.Model, request));

    public Task RollOutAsync(HttpContext http) =>
        AnswerAsync(http, _reader.ReadRollout, request => new RolloutFormat(engine.Model, request));

    private async Task AnswerAsync(
        HttpContext http, Func<RequestBody, CancellationToken, SampleRequest> read, Func<SampleRequest, AnswerFormat> format)
    {
        var gone = http.RequestAborted;
        var body = await RequestBody.ReadAsync(http.Request, gone);
        var request = read(body, gone);
        Report(body.Unknown, http.Response);
        using var places = slots.Take(request.Samples);
        if (request.Streams)
            await StreamAsync(http.Response, request, format(request), gone);
        else
            await ApiJson.WriteAsync(http.Response, 200, await WholeAsync(request, format(request), gone), gone);
    }

    private async Task<object> WholeAsync(SampleRequest request, AnswerFormat format, CancellationToken gone)
    {
        var choices = ChoicesOf(request);
        await foreach (var news in SampleAsync(request, gone))
            ChoiceOf(news, request, choices).Append(news);
        return format.Whole(choices);
    }

    private async Task StreamAsync(HttpResponse response, SampleRequest request, AnswerFormat format, CancellationToken gone)
    {
        var choices = ChoicesOf(request);
        await using var news = SampleAsync(request, gone).GetAsyncEnumerator(gone);
        var more = await news.MoveNextAsync();      // a group that fails at once still gets its status
        ApiJson.StartEvents(response);
        foreach (var opening in choices.Select(format.Opening).OfType<object>())
            ApiJson.WriteEvent(response, opening);
        try
        {
            for (; more; more = await news.MoveNextAsync())
            {
                var choice = ChoiceOf(news.Current, request, choices);
                var text = choice.Append(news.Current);
                if (format.Part(choice, text, news.Current.Sampled) is not { } part)
                    continue;
                ApiJson.WriteEvent(response, part);
                await response.BodyWriter.FlushAsync(gone);
            }
            if (request.IncludesUsage)
                ApiJson.WriteEvent(response, format.UsagePart(choices));
            ApiJson.WriteDone(response);
        }
        catch (ApiException failed)
        {
            ApiJson.WriteEvent(response, failed.Body);
        }
        await response.BodyWriter.FlushAsync(gone);
    }

    private async IAsyncEnumerable<SampleNews> SampleAsync(
        SampleRequest request, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken gone)
    {
        var clock = metrics.Start(request);
        await using var news = engine.SampleAsync(request.Groups, gone).GetAsyncEnumerator(gone);
        while (true)
        {
            try
            {
                if (!await news.MoveNextAsync())
                    yield break;
            }
            catch (GroupFailedException failed)
            {
                throw new ApiException(500, $"The request could not be sampled: {failed.Message.TrimEnd('.')}.");
            }
            clock.Add(news.Current.Sampled.Count);
            yield return news.Current;
        }
    }

    /// <summary>Names fields that the server doesn't know in a header, or refuses them.</summary>
    private void Report(IReadOnlyList<string> unknown, HttpResponse response)
    {
        if (unknown.Count == 0)
            return;
        var first = Input.JsonFields.Shorten(unknown[0]);
        if (settings.UnknownFields == UnknownFields.Refuse)
            throw ApiException.Invalid(first, $"{first} is not a field that the server knows.", "unknown_field");
        // A header takes ASCII alone.
        var names = string.Join(", ", unknown.Take(16).Select(Input.JsonFields.Shorten));
        response.Headers["X-Unknown-Fields"] = string.Concat(names.Select(c => c is >= ' ' and <= '~' ? c : '?'));
    }

    private Choice[] ChoicesOf(SampleRequest request) =>
    [
        .. from @group in request.Groups
           from sample in Enumerable.Range(0, request.SamplesOfPrompt)
           select new Choice(request.IndexOf(@group.Id, sample), @group.Samples[sample], engine.Model.Tokenizer),
    ];

    private static Choice ChoiceOf(SampleNews news, SampleRequest request, Choice[] choices) =>
        choices[request.IndexOf(news.Group, news.Sample)];
}
