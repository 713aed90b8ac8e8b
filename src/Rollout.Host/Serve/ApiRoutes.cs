using System.Diagnostics;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Rollout.Actors.Settings;

namespace Rollout.Host.Serve;

/// <summary>The endpoints of a server, behind the check of keys; every error has the shape of OpenAI's API.</summary>
/// <param name="engine">Samples.</param>
/// <param name="settings">The section serve.</param>
/// <param name="keys">Who is served.</param>
/// <param name="error">Told of what fails on the server's side.</param>
internal sealed class ApiRoutes(ServeEngine engine, ServeSettings settings, ApiKeys keys, TextWriter error)
{
    private const string Health = "/health";

    /// <summary>The status of requests whose clients have hung up, in metrics; nobody reads it. As in nginx.</summary>
    private const int HungUp = 499;

    private readonly ServeMetrics _metrics = new();

    public void Map(WebApplication app)
    {
        var slots = new SampleSlots(settings.MaxSamples);
        var sampling = new SamplingEndpoint(engine, settings, slots, _metrics);
        var info = new InfoEndpoints(engine, slots, _metrics);
        app.Use(AnswerErrorsAsync);
        app.UseRouting();
        app.MapGet(Health, info.HealthAsync);
        app.MapGet("/metrics", info.MeasureAsync);
        app.MapGet("/v1/models", info.ListModelsAsync);
        app.MapGet("/v1/models/{**name}", info.GetModelAsync);
        app.MapPost("/v1/completions", sampling.CompleteAsync);
        app.MapPost("/v1/chat/completions", sampling.ChatAsync);
        app.MapPost("/v1/rollouts", sampling.RollOutAsync);
        if (engine.Policy is { } policy)
        {
            var weights = new PolicyEndpoints(policy, settings.WeightsFolder);
            app.MapGet("/v1/weights", weights.QueryAsync);
            app.MapPost("/v1/weights", weights.ReplaceAsync);
            app.MapPost("/v1/pause", weights.PauseAsync);
            app.MapPost("/v1/resume", weights.ResumeAsync);
        }
    }

    private async Task AnswerErrorsAsync(HttpContext http, RequestDelegate next)
    {
        var started = Stopwatch.GetTimestamp();
        var hungUp = false;
        try
        {
            if (http.Request.Path != Health && !keys.Allow(http.Request))
                throw new ApiException(401, "The request has no valid API key: send Authorization: Bearer KEY.") { Code = "invalid_api_key" };
            if (keys.AreNone && !IsThisMachine(http.Request.Host.Host))
                throw new ApiException(421, "The server has no API keys, and answers requests to this machine's own names alone.");
            await next(http);
            if (http.Response is { HasStarted: false, StatusCode: 404 })
                throw new ApiException(404, "There is nothing at this path.");
            if (http.Response is { HasStarted: false, StatusCode: 405 })
                throw new ApiException(405, "This path does not take this method.");
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            hungUp = true;
        }
        catch (Exception thrown)
        {
            var answer = AnswerTo(thrown);
            if (http.Response.HasStarted)
                http.Abort();
            else
                await ApiJson.WriteAsync(http.Response, answer, http.RequestAborted);
        }
        // Paths without an endpoint are the clients' own texts.
        var path = (http.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText ?? "none";
        _metrics.AddRequest(path, hungUp ? HungUp : http.Response.StatusCode, Stopwatch.GetElapsedTime(started));
    }

    /// <summary>
    /// Whether a request names this machine. A web page whose name was made to lead here names its own, and may not read
    /// answers.
    /// </summary>
    private static bool IsThisMachine(string host) =>
        host == "localhost" || (IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address));

    private ApiException AnswerTo(Exception thrown)
    {
        if (thrown is ApiException answer)
        {
            if (answer.Status >= 500)
                error.WriteLine($"serve: {answer.Message}");
            return answer;
        }
        if (thrown is BadHttpRequestException bad)
        {
            return new ApiException(bad.StatusCode, bad.StatusCode switch
            {
                413 => $"The body is longer than the {settings.MaxBody} bytes that the server takes.",
                408 => "The body came too slowly.",
                _ => "The request is not valid HTTP.",
            });
        }
        error.WriteLine($"serve: {thrown}");
        return new ApiException(500, "The server has failed to answer; its log says why.");
    }
}
