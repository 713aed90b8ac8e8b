using System.Security.Cryptography;
using System.Text;

namespace Rollout.Gpu.Kernels;

/// <summary>
/// Compiled kernels on disk, by the hash of everything that makes them. A file that is damaged is compiled
/// again, and a folder that cannot be written is done without.
/// </summary>
/// <param name="folder">Made when first written to.</param>
internal sealed class KernelCache(string folder)
{
    /// <summary>Names the folder.</summary>
    public const string Variable = "ROLLOUT_KERNEL_CACHE";

    private const int HashBytes = 32;

    /// <summary>Where <see cref="Variable"/> says, else in the user's cache folder.</summary>
    public static KernelCache Default()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named)
            return new KernelCache(named);
        var home = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } cache
            ? cache
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        return new KernelCache(Path.Combine(home, "rollout", "kernels"));
    }

    /// <summary>The name of what is compiled from these texts: source, headers, options, compiler.</summary>
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

    /// <summary>What was stored under the key, or else what compiling gives, which is then stored.</summary>
    public byte[] GetOrAdd(string key, Func<byte[]> compile)
    {
        var file = Path.Combine(folder, $"{key}.cubin");
        if (TryRead(file) is { } stored)
            return stored;
        var compiled = compile();
        TryWrite(file, compiled);
        return compiled;
    }

    // A file is the hash of what follows it, so that half a file, or another's, is not taken for a kernel.
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
