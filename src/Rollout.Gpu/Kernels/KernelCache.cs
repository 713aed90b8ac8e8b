using System.Security.Cryptography;
using System.Text;

namespace Rollout.Gpu.Kernels;

/// <summary>
/// A cache of compiled kernels on disk, keyed by a hash of sources and options. A damaged file is compiled again.
/// Where the folder can't be written, kernels are compiled at every start.
/// </summary>
/// <param name="folder">The folder, created by the first write.</param>
internal sealed class KernelCache(string folder)
{
    /// <summary>The environment variable that names the folder.</summary>
    public const string Variable = "ROLLOUT_KERNEL_CACHE";

    private const int HashBytes = 32;

    /// <summary>
    /// The cache in the folder that <see cref="Variable"/> names, or else in the user's cache folder.
    /// </summary>
    public static KernelCache Default()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named)
            return new KernelCache(named);
        var home = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } cache
            ? cache
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        return new KernelCache(Path.Combine(home, "rollout", "kernels"));
    }

    /// <summary>The key of what is compiled from these texts: source, headers, options, compiler.</summary>
    public static string KeyOf(string name, IEnumerable<string> texts)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var text in texts)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            hash.AppendData(BitConverter.GetBytes(bytes.Length));
            hash.AppendData(bytes);
        }

        return $"{name}-{Convert.ToHexStringLower(hash.GetHashAndReset())}";
    }

    /// <summary>Returns what is stored under the key, or compiles and stores it.</summary>
    public byte[] GetOrAdd(string key, Func<byte[]> compile)
    {
        var file = Path.Combine(folder, $"{key}.cubin");
        if (TryRead(file) is { } stored)
            return stored;
        var compiled = compile();
        TryWrite(file, compiled);
        return compiled;
    }

    // A file starts with the hash of the rest, so that half a file is not taken for a kernel.
    private static byte[]? TryRead(string file)
    {
        try
        {
            if (!File.Exists(file))
                return null;
            var bytes = File.ReadAllBytes(file);
            return bytes.Length > HashBytes && SHA256.HashData(bytes.AsSpan(HashBytes))
                .AsSpan().SequenceEqual(bytes.AsSpan(0, HashBytes))
                ? bytes[HashBytes..]
                : null;
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private void TryWrite(string file, byte[] compiled)
    {
        var temporary = $"{file}.{Environment.ProcessId}.{Environment.CurrentManagedThreadId}";
        try
        {
            Directory.CreateDirectory(folder);
            File.WriteAllBytes(temporary, [.. SHA256.HashData(compiled), .. compiled]);
            File.Move(temporary, file, overwrite: true);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            // The next start compiles again.
        }
    }
}
