using System.Net;

namespace Rollout.Actors.Settings;

/// <summary>What becomes of a request's fields that the server doesn't know.</summary>
public enum UnknownFields
{
    /// <summary>A header of the answer names them.</summary>
    Report,

    /// <summary>The request is refused.</summary>
    Refuse,
}

/// <summary>The section <c>serve</c>: where the server of <c>rollout serve</c> listens, and its limits.</summary>
public sealed record ServeSettings
{
    public required IPAddress Address { get; init; }

    /// <summary>0 takes any free port.</summary>
    public required int Port { get; init; }

    /// <summary>The model's name in requests and answers; "" takes the name of its folder.</summary>
    public required string ModelName { get; init; }

    /// <summary>The absolute path of a file with an API key a line; "" for none.</summary>
    public required string ApiKeys { get; init; }

    public required UnknownFields UnknownFields { get; init; }

    /// <summary>The longest body of a request in bytes.</summary>
    public required long MaxBody { get; init; }

    /// <summary>Samples that all requests together may have on their way.</summary>
    public required int MaxSamples { get; init; }

    /// <summary>Connections at once.</summary>
    public required int MaxConnections { get; init; }

    /// <summary>The absolute path of the folder that has those of new weights; "" leaves the weights as they are.</summary>
    public required string WeightsFolder { get; init; }

    /// <summary>The absolute paths of the certificate and its private key, PEM; null serves HTTP.</summary>
    public required (string Certificate, string Key)? Tls { get; init; }

    public static ServeSettings From(ConfigSection section) => new()
    {
        Address = IPAddress.TryParse(section.Text("address"), out var address)
            ? address
            : throw section.Invalid("address", "an IP address, such as 127.0.0.1"),
        Port = section.Whole("port", Bounds.Between(0, 65_535)),
        ModelName = section.Text("model-name"),
        ApiKeys = section.Text("api-keys"),
        UnknownFields = section.Choice<UnknownFields>("unknown-fields"),
        MaxBody = section.Bytes("max-body"),
        MaxSamples = section.Whole("max-samples", Bounds.Between(1, 1_000_000)),
        MaxConnections = section.Whole("max-connections", Bounds.Between(1, 1_000_000)),
        WeightsFolder = section.Text("weights-folder") is not { Length: > 0 } folder ? ""
            : Directory.Exists(folder) ? Path.TrimEndingDirectorySeparator(folder)
            : throw section.Invalid("weights-folder", "a folder"),
        Tls = TlsFrom(section.Section("tls")),
    };

    private static (string Certificate, string Key)? TlsFrom(ConfigSection section)
    {
        var (certificate, key) = (section.Text("certificate"), section.Text("key"));
        if (certificate.Length == 0 && key.Length == 0)
            return null;
        if (!File.Exists(certificate))
            throw section.Invalid("certificate", "a PEM file with the server's certificate");
        if (!File.Exists(key))
            throw section.Invalid("key", "a PEM file with the certificate's private key");
        return (certificate, key);
    }
}
