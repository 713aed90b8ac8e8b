using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Rollout.Actors.Settings;

namespace Rollout.Host.Serve;

/// <summary>Kestrel with the configured address, certificate and limits; nothing else configures it.</summary>
internal sealed class HttpServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private HttpServer(WebApplication app) => _app = app;

    /// <summary>The URL of the server's root, with the port that it got.</summary>
    public Uri Address => new(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());

    /// <summary>Starts to listen.</summary>
    /// <param name="section">The section serve, for messages.</param>
    /// <param name="settings">What it says.</param>
    /// <param name="map">Adds what answers requests.</param>
    /// <exception cref="ConfigurationException">The address is in use, or the certificate can't be used.</exception>
    public static async Task<HttpServer> StartAsync(ConfigSection section, ServeSettings settings, Action<WebApplication> map)
    {
        var certificate = settings.Tls is { } tls ? Load(section, tls) : null;
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = settings.MaxBody;
            kestrel.Limits.MaxConcurrentConnections = settings.MaxConnections;
            kestrel.Listen(settings.Address, settings.Port, listen => UseTls(listen, certificate));
        });
        builder.WebHost.UseKestrelHttpsConfiguration();
        var app = builder.Build();
        map(app);
        try
        {
            await app.StartAsync();
            return new HttpServer(app);
        }
        catch (IOException cause)
        {
            await app.DisposeAsync();
            throw new ConfigurationException(
                $"serve.address and serve.port: {settings.Address}:{settings.Port} can't be listened at: {cause.Message}", cause);
        }
    }

    /// <summary>Ends every connection.</summary>
    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync(new CancellationToken(canceled: true));
        await _app.DisposeAsync();
    }

    private static X509Certificate2 Load(ConfigSection section, (string Certificate, string Key) tls)
    {
        try
        {
            return X509Certificate2.CreateFromPemFile(tls.Certificate, tls.Key);
        }
        catch (Exception cause) when (cause is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw section.Section("tls").Invalid("certificate", $"a PEM certificate that belongs to serve.tls.key: {cause.Message}");
        }
    }

    private static void UseTls(ListenOptions listen, X509Certificate2? certificate)
    {
        if (certificate is not null)
            listen.UseHttps(certificate);
    }

    /// <summary>The process's own stop signal decides when the server ends.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
