namespace Rollout.Actors.Settings;

/// <summary>The section <c>cluster.tls</c>, where it is enabled.</summary>
public sealed record TlsSettings
{
    /// <summary>A PKCS #12 file, absolute.</summary>
    public required string Certificate { get; init; }

    /// <summary>The environment variable of its password; "" where it has none.</summary>
    public required string PasswordEnv { get; init; }

    /// <summary>The authority's certificate, PEM, absolute.</summary>
    public required string Ca { get; init; }

    /// <summary>Null where TLS is off.</summary>
    /// <exception cref="ConfigurationException">It is on, and a file or the variable is not there.</exception>
    public static TlsSettings? From(ConfigSection section)
    {
        var settings = new TlsSettings
        {
            Certificate = section.Text("certificate"),
            PasswordEnv = section.Text("password-env"),
            Ca = section.Text("ca"),
        };
        if (!section.Bool("enabled"))
            return null;
        if (!File.Exists(settings.Certificate))
            throw section.Invalid("certificate", "a PKCS #12 file with this member's certificate and key");
        if (!File.Exists(settings.Ca))
            throw section.Invalid("ca", "a PEM file with the certificate of the cluster's authority");
        if (settings.PasswordEnv.Length > 0 && Environment.GetEnvironmentVariable(settings.PasswordEnv) is null)
            throw section.Invalid("password-env", "an environment variable that is set");
        return settings;
    }
}
