using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Rollout.Actors.Settings;

namespace Rollout.Host.Serve;

/// <summary>
/// The keys that clients show as <c>Authorization: Bearer KEY</c>. They are kept as hashes and compared in constant time.
/// </summary>
internal sealed class ApiKeys
{
    /// <summary>Has the keys with commas between, where no file is configured.</summary>
    public const string Variable = "ROLLOUT_API_KEYS";

    private const int Shortest = 16;
    private const string Scheme = "Bearer ";

    private readonly byte[][] _hashes;

    private ApiKeys(IEnumerable<string> keys) => _hashes = [.. keys.Select(Hash)];

    /// <summary>Nobody needs a key.</summary>
    public bool AreNone => _hashes.Length == 0;

    /// <summary>Reads the configured keys. An address that other machines reach requires some.</summary>
    /// <exception cref="ConfigurationException">A key is too short, the file can't be read, or keys are missing.</exception>
    public static ApiKeys Load(ConfigSection section, ServeSettings settings)
    {
        var keys = settings.ApiKeys.Length > 0 ? Read(section, settings.ApiKeys) : Split(Environment.GetEnvironmentVariable(Variable));
        if (keys.Length == 0 && !IPAddress.IsLoopback(settings.Address))
            throw section.Invalid("address", $"an address of this machine alone, or keys in serve.api-keys or {Variable}");
        return new ApiKeys(keys);
    }

    /// <summary>Whether a request shows one of the keys, or needs none.</summary>
    public bool Allow(HttpRequest request)
    {
        if (AreNone)
            return true;
        var shown = request.Headers.Authorization.ToString();
        if (!shown.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
            return false;
        var hash = Hash(shown[Scheme.Length..].Trim());
        var found = false;
        foreach (var known in _hashes)
            found |= CryptographicOperations.FixedTimeEquals(known, hash);
        return found;
    }

    private static string[] Read(ConfigSection section, string path)
    {
        string[] keys;
        try
        {
            keys = [.. File.ReadLines(path).Select(line => line.Split('#')[0].Trim()).Where(key => key.Length > 0)];
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw section.Invalid("api-keys", "a file that can be read");
        }
        return keys.Length > 0 && keys.All(key => key.Length >= Shortest)
            ? keys
            : throw section.Invalid("api-keys", $"a file with a key a line, each of at least {Shortest} characters");
    }

    private static string[] Split(string? variable)
    {
        string[] keys = [.. (variable ?? "").Split(',').Select(key => key.Trim()).Where(key => key.Length > 0)];
        return keys.All(key => key.Length >= Shortest)
            ? keys
            : throw new ConfigurationException(
                $"{Variable} has a key that is too short: expected keys of at least {Shortest} characters, with commas between");
    }

    private static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}
