namespace Rollout.Actors.Settings;

/// <summary>The section <c>cluster.tls</c> of a configuration with TLS.</summary>
public sealed record TlsSettings
{
    /// <summary>The absolute path of this member's PKCS #12 file.</summary>
    public required string Certificate { get; init; }

    /// <summary>The environment variable with the file's password; "" for a file without one.</summary>
    public required string PasswordEnv { get; init; }

    /// <summary>The absolute path of the authority's certificate, PEM.</summary>
    public required string Ca { get; init; }

    /// <summary>Reads the section; null if TLS is off.</summary>
    /// <exception cref="ConfigurationException">TLS is on, and a file or the variable is missing.</exception>
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
