using System.Text;

namespace Rollout.Actors.Settings.Hocon;

/// <summary>Opens files, the included ones too, and knows which are open.</summary>
internal sealed class IncludeReader
{
    public const int MaxFileBytes = 1 << 20;
    private const int MaxFiles = 256;

    private readonly List<string> _open = [];
    private int _files;

    /// <summary>Reads a file that the user named.</summary>
    public RawObject Read(string file) =>
        Read(file, [[]], message => new ConfigurationException($"{file}: {message}"));

    /// <summary>
    /// Reads an included file, relative to the including one. It must be there. The scopes are the path of
    /// the object that the include stands in, and the scopes around it.
    /// </summary>
    public RawObject Read(Include include, string[][] scopes)
    {
        if (include.File.Length == 0)
            throw include.Origin.Error("expected the name of a file to include");
        if (++_files > MaxFiles)
            throw include.Origin.Error($"more than {MaxFiles} files are included, expected fewer");
        var file = Path.Combine(include.Origin.Source.Folder, include.File);
        // A name may hold an escaped line break, and the message is one line.
        var shown = string.Concat(file.Select(letter => char.IsControl(letter) ? '?' : letter));
        return Read(file, scopes, message => include.Origin.Error($"cannot include {shown}: {message}"));
    }

    private RawObject Read(string file, string[][] scopes, Func<string, ConfigurationException> error)
    {
        if (file.Length == 0 || file.Contains('\0'))
            throw error("expected the name of a file");
        var fullPath = Path.GetFullPath(file);
        if (_open.Contains(fullPath))
            throw error("it includes itself, expected another file");
        var source = new SourceText(file, Path.GetDirectoryName(file) ?? "");
        var text = Decode(ReadBytes(fullPath, error), source);
        _open.Add(fullPath);
        var root = HoconParser.ParseSource(text, source, this, scopes);
        _open.RemoveAt(_open.Count - 1);
        return root;
    }

    private static byte[] ReadBytes(string file, Func<string, ConfigurationException> error)
    {
        if (Directory.Exists(file))
            throw error("it is a folder, expected a file");
        try
        {
            // A device has no length to look at beforehand.
            using var stream = File.OpenRead(file);
            var bytes = new byte[MaxFileBytes + 1];
            var read = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            return read <= MaxFileBytes
                ? bytes[..read]
                : throw error($"expected at most {MaxFileBytes} bytes");
        }
        catch (Exception cause) when (cause is FileNotFoundException or DirectoryNotFoundException)
        {
            throw error("expected a file, but there is none");
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw error($"expected a readable file, but {cause.Message}");
        }
    }

    private static string Decode(byte[] bytes, SourceText source)
    {
        var rest = bytes.AsSpan();
        while (rest.Length > 0)
        {
            if (Rune.DecodeFromUtf8(rest, out _, out var consumed) != System.Buffers.OperationStatus.Done)
            {
                var before = bytes.AsSpan(0, bytes.Length - rest.Length);
                var column = Encoding.UTF8.GetCharCount(before[(before.LastIndexOf((byte)'\n') + 1)..]) + 1;
                throw new Origin(source, before.Count((byte)'\n') + 1, column)
                    .Error($"unexpected byte 0x{rest[0]:X2}, expected UTF-8");
            }

            rest = rest[consumed..];
        }

        return Encoding.UTF8.GetString(bytes);
    }
}
