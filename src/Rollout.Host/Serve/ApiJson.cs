using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Rollout.Host.Serve;

/// <summary>Writes answers: JSON with names in snake_case, whole or as server-sent events.</summary>
internal static class ApiJson
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static Task WriteAsync(HttpResponse response, int status, object body, CancellationToken cancellation)
    {
        response.StatusCode = status;
        return response.WriteAsJsonAsync(body, body.GetType(), Options, "application/json", cancellation);
    }

    public static Task WriteAsync(HttpResponse response, ApiException error, CancellationToken cancellation)
    {
        if (error.RetryAfter is { } seconds)
            response.Headers.RetryAfter = $"{seconds}";
        return WriteAsync(response, error.Status, error.Body, cancellation);
    }

    /// <summary>Begins an answer of server-sent events.</summary>
    public static void StartEvents(HttpResponse response)
    {
        response.ContentType = "text/event-stream";
        response.Headers.CacheControl = "no-cache";
    }

    /// <summary>Writes an event; <see cref="System.IO.Pipelines.PipeWriter.FlushAsync"/> sends it.</summary>
    public static void WriteEvent(HttpResponse response, object body) =>
        WriteEvent(response, JsonSerializer.SerializeToUtf8Bytes(body, body.GetType(), Options));

    /// <summary>Writes the event that ends a stream.</summary>
    public static void WriteDone(HttpResponse response) => WriteEvent(response, "[DONE]"u8);

    private static void WriteEvent(HttpResponse response, ReadOnlySpan<byte> data)
    {
        var before = "data: "u8;
        var after = "\n\n"u8;
        var target = response.BodyWriter.GetSpan(before.Length + data.Length + after.Length);
        before.CopyTo(target);
        data.CopyTo(target[before.Length..]);
        after.CopyTo(target[(before.Length + data.Length)..]);
        response.BodyWriter.Advance(before.Length + data.Length + after.Length);
    }
}
