using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Rollout.Host.Serve;

/// <summary>Says which model is served, whether anything serves it, and how much was served.</summary>
internal sealed class InfoEndpoints(ServeEngine engine, SampleSlots slots, ServeMetrics metrics)
{
    public async Task ListModelsAsync(HttpContext http) => await ApiJson.WriteAsync(
        http.Response, 200, new { @object = "list", data = (object[])[await ModelAsync(http)] }, http.RequestAborted);

    public async Task GetModelAsync(HttpContext http)
    {
        var name = http.GetRouteValue("name") as string ?? "";
        if (name != engine.Model.Name)
            throw RequestReader.UnknownModel(name);
        await ApiJson.WriteAsync(http.Response, 200, await ModelAsync(http), http.RequestAborted);
    }

    /// <summary>200 while a decoder takes samples, else 503.</summary>
    public async Task HealthAsync(HttpContext http)
    {
        var report = await engine.ReportAsync(http.RequestAborted);
        var isWell = report is { Decoders: > 0 };
        await ApiJson.WriteAsync(
            http.Response,
            isWell ? 200 : 503,
            new { status = isWell ? "ok" : "unavailable", decoders = report?.Decoders ?? 0 },
            http.RequestAborted);
    }

    /// <summary>The metrics in the text format of Prometheus.</summary>
    public async Task MeasureAsync(HttpContext http)
    {
        var report = await engine.ReportAsync(http.RequestAborted);
        http.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        await http.Response.WriteAsync(metrics.Write(report, slots.Taken), http.RequestAborted);
    }

    private async Task<object> ModelAsync(HttpContext http)
    {
        var report = await engine.ReportAsync(http.RequestAborted);
        return new
        {
            id = engine.Model.Name,
            @object = "model",
            created = engine.Model.Loaded,
            ownedBy = "rollout",
            maxModelLen = engine.Model.MaxModelLength,
            policyVersion = report?.Policy?.Version.Value,
        };
    }
}
