using System.Text;

namespace Rollout.Actors.Settings.Hocon;

/// <summary>Reads files, and the files that they include, into one tree.</summary>
internal sealed class HoconFiles
{
    public const int MaxFileBytes = 1 << 20;
    private const int MaxIncludes = 256;

    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    private readonly List<string> _open = [];
    private int _included;

    /// <summary>Reads a file that the user named over what the tree has.</summary>
    /// <exception cref="HoconException">The file can't be read or is not valid.</exception>
    public void Read(string file, HoconObject into) =>
        Read(file, into, depth: 0, message => new HoconException($"{file}: {message}"));

    /// <summary>Reads an included file into the object that the statement stands in.</summary>
    /// <param name="name">The name in the statement, relative to the including file.</param>
    /// <param name="into">The object.</param>
    /// <param name="depth">The depth of the object.</param>
    public void Include(Token name, HoconObject into, int depth)
    {
        if (name.Text.Length == 0)
            throw name.Origin.Error("expected the name of a file to include");
        if (++_included > MaxIncludes)
            throw name.Origin.Error($"more than {MaxIncludes} files are included, expected fewer");
        var file = Path.Combine(name.Origin.Source.Folder, name.Text);
        // A name may hold an escaped line break, and the message is one line.
        var shown = string.Concat(file.Select(letter => char.IsControl(letter) ? '?' : letter));
        Read(file, into, depth, message => name.Origin.Error($"cannot include {shown}: {message}"));
    }

    private void Read(string file, HoconObject into, int depth, Func<string, HoconException> error)
    {
        if (file.Length == 0 || file.Contains('\0'))
            throw error("expected the name of a file");
        var fullPath = Path.GetFullPath(file);
        if (_open.Contains(fullPath))
            throw error("it includes itself, expected another file");
        var source = new SourceText(file, Path.GetDirectoryName(file) ?? "");
        var text = Decode(ReadBytes(fullPath, error), source);
        _open.Add(fullPath);
        HoconParser.ReadSource(text, source, this, into, depth);
        _open.RemoveAt(_open.Count - 1);
    }

    private static byte[] ReadBytes(string file, Func<string, HoconException> error)
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
        try
        {
            return Strict.GetString(bytes);
        }
        catch (DecoderFallbackException wrong)
        {
            var before = bytes.AsSpan(0, wrong.Index);
            var column = Encoding.UTF8.GetCharCount(before[(before.LastIndexOf((byte)'\n') + 1)..]) + 1;
            throw new Origin(source, before.Count((byte)'\n') + 1, column)
                .Error($"unexpected byte 0x{bytes[wrong.Index]:X2}, expected UTF-8");
        }
    }
}
